// The owner's private view of one segment: which units are free, which belong to what, and which slots may be given out. With the heaps' mutex.
#pragma once

#include <cstdint>

#include "allocators/shared/classes.hpp"
#include "allocators/shared/segment.hpp"

namespace shmalloc {

struct Arena;
class Heap;
class SharedMemory;

inline constexpr std::uint32_t kNoSlot = 0xffffffffU;

// What one storage lies in.
struct Block {
  Block *next = nullptr;                        // in a thread's list, a slab's, or limbo
  std::atomic<SharedMemory *> memory{nullptr};  // while it is in use, if it can be found by its address
  Arena *arena = nullptr;
  std::uint64_t offset = 0;
  std::uint32_t index = 0;            // its class
  std::uint32_t units = 0;            // of its span; 0: part of a slab
  std::uint32_t slot = kNoSlot;       // kept from one storage to the next
  std::atomic<bool> exported{false};  // handles of the slot's generation may be about
  std::atomic<bool> pinned{false};    // a forked child uses it without a bit: not free while such live
  std::uint32_t marked = 0;           // for the child, in the fork of this number

  std::size_t size() const { return units != 0 ? units * classes::kUnit : std::size_t{classes::kSize[index]}; }
};

// Blocks of one small class.
struct Slab {
  Slab *next = nullptr, *previous = nullptr;  // of those with free blocks
  Arena *arena = nullptr;
  std::uint32_t unit = 0;
  std::uint32_t count = 0;
  std::uint32_t taken = 0;
  Block *free = nullptr;
  Block *blocks() { return reinterpret_cast<Block *>(this + 1); }
};

struct Unit {
  enum State : std::uint32_t { unused, free, slab, large };  // unused: inside a span, or behind the end
  std::uint32_t length;                                      // of the span, in its first and last unit
  State state;
  std::uint32_t next, previous;  // free spans of about this length
  void *owner;                   // Slab or Block
};

struct Arena {
  static Result<Arena *> make(const SegmentRequest &request);
  // The records of all that is or was in use.
  void free_blocks();
  // Gives the segment up. What others hold of it stays theirs.
  void destroy();

  // The block that a byte of the segment lies in, in use or not; NULL: in none.
  Block *find_block(std::uint64_t offset) const;
  // A span of units, at an address that is a multiple of `alignment`; NULL: not without growing.
  std::uint32_t take_span(std::uint32_t length, std::uint64_t alignment);
  void give_span(std::uint32_t start, std::uint32_t length);
  // Makes room for such a span at the end.
  Result<void> extend(std::uint32_t length, std::uint64_t alignment, std::uint64_t growth);
  // Reserves what was trimmed away in a span.
  Result<void> commit(std::uint32_t start, std::uint32_t length);
  // Gives memory of free spans back to the system until no more than `keep` bytes of it are left.
  std::uint64_t trim(std::uint64_t keep);
  std::uint64_t kept() const { return std::uint64_t{free_units} * classes::kUnit - punched; }
  void set_owner(std::uint32_t start, std::uint32_t length, Unit::State state, void *owner);

  Result<std::uint32_t> take_slot();
  void give_slot(std::uint32_t slot);
  std::uint32_t &generation(std::uint32_t slot) { return slots[slot].generation; }

  struct SlotInfo {
    std::uint32_t generation;
    std::uint32_t next;  // one more than the number of the next free one
  };
  static constexpr int kBins = 21 * 8;
  static constexpr std::uint32_t kNone = 0xffffffffU;

  Arena *next = nullptr;
  Heap *heap = nullptr;
  Segment *segment = nullptr;
  os::Mapping units_map, slots_map, chunks_map;
  Unit *units = nullptr;
  SlotInfo *slots = nullptr;
  bool *committed = nullptr;     // of each 2 MiB
  std::uint64_t polled = 0;      // with the heap's limbo, when
  std::uint32_t unit_count = 0;  // that there is address space for
  std::uint32_t end = 0;         // units that the segment is long
  std::uint32_t free_units = 0;
  std::uint32_t free_slot = 0;  // one more than its number
  std::uint64_t kept_after_trim = 0;
  std::uint64_t punched = 0;  // bytes of free spans that have no memory
  std::uint64_t bins_used[3] = {};
  std::uint32_t bins[kBins];

 private:
  static int bin_of(std::uint32_t length);
  void link(std::uint32_t start, std::uint32_t length);
  void unlink(std::uint32_t start);
  bool fits(std::uint32_t start, std::uint32_t length, std::uint64_t alignment, std::uint32_t *skip) const;
};

}  // namespace shmalloc
