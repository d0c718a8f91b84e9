// Segments, their blocks, and the bins of what is free: all that is behind the threads. Every function but one with the allocator's mutex.
//
// Invariants: no two neighbours of a segment are both free (in bins); a block in a bin is its home's, and no work but its home's may still
// use it; a segment whose only block is free can go back to the device, once that work is done.
// Numbers change with what they count, so currents and peaks are exact.
// The lookup, once it is made, has what is in the segments of the list.
#pragma once

#include "allocators/caching/bins.hpp"
#include "allocators/caching/lookup.hpp"
#include "allocators/caching/nodes.hpp"
#include "allocators/caching/settings.hpp"
#include "shmalloc/trace.h"

namespace shmalloc::caching {

// As in PyTorch: allocated and freed are all that was ever added and taken away.
inline void add_to(shmalloc_stat *stat, std::uint64_t amount) {
  const auto by = static_cast<std::int64_t>(amount);
  stat->current += by;
  stat->allocated += by;
  stat->peak = std::max(stat->peak, stat->current);
}
inline void take_from(shmalloc_stat *stat, std::uint64_t amount) {
  stat->current -= static_cast<std::int64_t>(amount);
  stat->freed += static_cast<std::int64_t>(amount);
}
// Of a pool, and of all.
inline void add_to(shmalloc_stat (&stats)[3], bool large, std::uint64_t amount) {
  add_to(&stats[SHMALLOC_STAT_POOL_ALL], amount);
  add_to(&stats[large ? SHMALLOC_STAT_POOL_LARGE : SHMALLOC_STAT_POOL_SMALL], amount);
}
inline void take_from(shmalloc_stat (&stats)[3], bool large, std::uint64_t amount) {
  take_from(&stats[SHMALLOC_STAT_POOL_ALL], amount);
  take_from(&stats[large ? SHMALLOC_STAT_POOL_LARGE : SHMALLOC_STAT_POOL_SMALL], amount);
}

class Middle {
 public:
  Middle() = default;
  Middle(const Middle &) = delete;
  Middle &operator=(const Middle &) = delete;
  ~Middle();

  // NULL: there is no memory for it.
  Home *home(Stream stream);
  Home *homes() const { return homes_; }
  Segment *segments() const { return segments_; }

  // The block that begins there, whatever its state; NULL.
  Block *at(Address address) { return lookup_.find(address, segments_); }
  // Without the mutex: the live block that begins there; NULL: there is none, or it was not seen.
  Block *live_at(Address address) const { return lookup_.find_quickly(address); }

  // How large the block may be that `rounded` bytes are taken from, so that oversize blocks are kept for what needs them. What would be
  // asked of the device for them will always do: else its own segment would not be used again.
  std::uint64_t limit_of(std::uint64_t rounded) const {
    if (settings.max_split == kUnlimited) return kUnlimited;
    if (rounded >= settings.max_split) return rounded + settings.non_split_rounding;
    return std::max(settings.max_split - 1, segment_size(rounded, settings.large_segment));
  }
  // Takes a block out of its bin, and splits off what is not needed if the rules let it.
  void take(Block *block, std::uint64_t rounded);
  // A block becomes free, and one with its free neighbours. Whose work may still use it was queued before the clock showed `freed_at`.
  void give(Block *block, std::uint64_t freed_at);
  void give(Block *block) { give(block, clock); }

  // A segment to be, with the node of its block. NULL: there is no memory for it. Then its memory came, or did not.
  Segment *prepare(Home *home, std::uint64_t size, bool large);
  void add(Segment *segment, Address address);
  void drop(Segment *segment);
  // Takes segments out of everything but the numbers, one after the other by next, to be forgotten or put back: those whose only block
  // is free since before the clock showed `since`, and that are chosen.
  template <class Choose>
  Segment *detach(std::uint64_t since, Choose choose) {
    Segment *chain = nullptr;
    for (Segment *segment = segments_; segment != nullptr;) {
      Segment *next = segment->next;
      if (is_free(*segment, since) && choose(*segment)) {
        unlink(segment);
        segment->next = chain;
        chain = segment;
      }
      segment = next;
    }
    return chain;
  }
  void attach(Segment *segment);
  void forget(Segment *segment);
  static bool is_free(const Segment &segment, std::uint64_t since = kUnlimited) {
    return segment.first->state == State::free && !is_piece(*segment.first) && (segment.first->freed_at < since || mutant(38));
  }

  Settings settings;
  std::uint64_t clock = 1;     // of looks for blocks, and of waits for the device
  std::uint64_t reserved = 0;  // bytes of segments, and of those that are being made
  // Of what is counted here: segment, reserved_bytes, inactive_split, oversize, pending. active: what is in no bin.
  shmalloc_statistics numbers = {};

 private:
  bool may_split(const Block &block, std::uint64_t rounded) const;
  void put(Block *block, std::uint64_t freed_at);
  void unlink(Segment *segment);
  static void clean(Block *block, Segment *segment);
  void remove(Block *block);
  static void set_size(Block *block, std::uint64_t size);
  Block *merge(Block *first, Block *second);

  Nodes<Block> blocks_;
  Lookup lookup_;
  Home *homes_ = nullptr;
  Segment *segments_ = nullptr;
};

}  // namespace shmalloc::caching
