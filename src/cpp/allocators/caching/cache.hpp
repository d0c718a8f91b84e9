// The caching allocator, for any device (see caching.hpp).
//
// allocate and free of a size that this thread keeps ready take no lock: thread_cache.hpp. All else is in the middle, with one mutex.
//
// Locks, in the order in which they are taken:
// 1. growing_: shared while a segment is made, or old ones are collected; exclusively by the out-of-memory sequence, which so waits for
//    segments that others are making and then finds what is left of them.
// 2. the registry of threads' caches and of allocators (thread_cache.cpp, fork.cpp).
// 3. mutex_: middle_, uses_, the list of caches. Never held while the device may be waited for (calls.hpp says which calls).
// 4. of observers, and of histories, each alone.
// Observers run with no lock held. Fork takes the registry's, every mutex_ and the observers' lock (fork.cpp).
//
// In a forked child an allocator of the parent's has no device: what needs one is refused, a free only counts, and growing_ is not
// touched, for somebody who is not there may have it.
//
// What is free is free for its own stream, in whose order the next user's work comes. For anything else (giving it back to the device,
// another stream) the device is waited for first, and only what was free before the wait counts.
#pragma once

#include <mutex>
#include <shared_mutex>

#include "allocators/caching/middle.hpp"
#include "allocators/caching/mutant.hpp"
#include "allocators/caching/observers.hpp"
#include "allocators/caching/report.hpp"
#include "allocators/caching/thread_cache.hpp"
#include "allocators/caching/uses.hpp"
#include "base/fork.hpp"
#include "trace/snapshot.hpp"

namespace shmalloc::caching {

struct CacheInfo {
  std::uint64_t largest = 0;  // what could be had in one piece, as far as is known: a cached block, or all that the device has
  std::uint64_t available = 0, total = 0;
  std::uint64_t cached = 0;  // bytes that are reserved and not in use
};
struct Range {
  Address address = 0;
  std::uint64_t size = 0;
};
// What users have.
struct Live {
  std::int64_t blocks = 0;
  std::int64_t bytes = 0;      // of their blocks
  std::int64_t requested = 0;  // bytes as they asked for them
};

class BlockCache {
 public:
  explicit BlockCache(Calls &calls);
  BlockCache(const BlockCache &) = delete;
  BlockCache &operator=(const BlockCache &) = delete;
  ~BlockCache();  // nobody calls any more; segments go back, whatever is live in them
  // Who it is to observers, and where its history goes, which must outlive it. Before anybody else has it.
  void introduce(shmalloc_device device, std::uint64_t allocator_id, trace::Recorder *recorder = nullptr);

  // Nothing of 0 bytes: NULL.
  Result<Block *> allocate(std::uint64_t size, Stream stream) {
    if (Block *block = allocate_quickly(size, stream); block != nullptr) [[likely]]
      return block;
    return allocate_slowly(size, stream);
  }
  // The common path: NULL, and nothing done, if this thread has nothing ready.
  Block *allocate_quickly(std::uint64_t size, Stream stream) {
    ThreadCache *own = own_thread_caches;
    if (size - 1 >= kLargestKept || own == nullptr || own->allocator_id != id_ || (own->stream != stream && !mutant(65)))
        [[unlikely]]
      return nullptr;
    const std::uint64_t rounded = Divisions(divisions_.load(std::memory_order_relaxed)).round(size);
    const std::uint32_t index = class_of(rounded);
    if (index >= kKeptClasses || !own->enter()) [[unlikely]]
      return nullptr;
    std::uint32_t from = index;
    Block *block = own->magazines[from].first;
    if (block == nullptr || (block->size != rounded && !serves(block->size, rounded))) [[unlikely]] {
      const std::uint32_t last = last_to_look_in(rounded);
      do {
        block = ++from <= last ? own->magazines[from].first : nullptr;
      } while (from <= last && (block == nullptr || !serves(block->size, rounded)));
    }
    if (block != nullptr) [[likely]] {
      own->pop(from);
      begin(block, size);
      own->count_in(*block);
    }
    own->leave();
    return block;
  }
  // NULL is nothing. INVALID: it was freed before.
  Result<void> free(Block *block) {
    if (block != nullptr && free_quickly(block)) [[likely]]
      return {};
    return free_slowly(block);
  }
  bool free_quickly(Block *block) {
    ThreadCache *own = own_thread_caches;
    if ((block->special && !mutant(66)) || own == nullptr || own->allocator_id != id_ ||
        (own->stream != block->stream && !mutant(64))) [[unlikely]]
      return false;
    if (!own->enter()) [[unlikely]]
      return false;
    const std::uint32_t index = block->index;
    const bool kept =
        index < kKeptClasses && own->magazines[index].count < kKeep.of[index] && block->live.load(std::memory_order_relaxed);
    if (kept) [[likely]] {
      block->live.store(false, std::memory_order_relaxed);
      own->push(block);
      own->count_out(*block);
    }
    own->leave();
    return kept;
  }

  // What was queued on the stream until the free may use the block. NO_MEMORY: that is not noted.
  Result<void> record_stream(Block *block, Stream stream);
  // The live block that begins there. Quickly, without a lock: NULL is no answer. Else NOT_FOUND.
  Block *find_quickly(Address address) const { return middle_.live_at(address); }
  Result<Block *> find(Address address);
  // Frees it, last used on `stream`: SHMALLOC_STREAM_OWN, or one that is recorded first. NOT_FOUND; 0 is nothing. If two threads free one
  // block, one of them hears it, unless both look within the same few instructions: to exclude that would cost every free a locked one.
  Result<void> free_at(Address address, Stream stream) {
    if (free_at_quickly(address, stream)) [[likely]]
      return {};
    return free_at_slowly(address, stream);
  }
  bool free_at_quickly(Address address, Stream stream) {
    Block *block = find_quickly(address);
    return block != nullptr && (stream == SHMALLOC_STREAM_OWN || stream == block->stream || mutant(68)) && free_quickly(block);
  }
  // Whether blocks can be kept in the order of this stream: not if each thread has another one of that number.
  bool keeps(Stream stream) const { return stream == 0 || stream != description_.per_thread; }
  static Range base_allocation(const Block &block) { return {block.segment->address, block.segment->size}; }

  // Gives back to the device all that is not in use, after a wait for the device. How many bytes. BUSY in a capture.
  Result<std::uint64_t> empty_cache();
  Result<CacheInfo> cache_info();
  // Bytes; every block begins at a multiple of it.
  std::uint64_t alignment() const { return std::min(kGrain, std::max<std::uint64_t>(description_.alignment, 1)); }
  Live live() const;
  bool inherited() const { return generation_ != fork_generation(); }  // by fork
  // The numbers of trace.h. currents, allocated and freed are exact when no other thread is at it. Peaks of allocated_bytes and
  // active_bytes are exact with one thread; with more, and of allocation and active, they are too high by what threads keep ready at most.
  // requested_bytes has the peak of allocated_bytes. What threads keep is neither active nor inactive_split.
  void statistics(shmalloc_statistics *out);
  void reset_statistics(std::uint32_t what);  // shmalloc_reset_flags; 0: all

  // Segments with their blocks, in order of address. What threads keep ready is inactive. With the history as it is at the same moment.
  // Throws bad_alloc.
  void survey(std::vector<trace::Segment> *segments, trace::Recorded *history = nullptr);
  // From now on all is noted in the recorder's history, while that is on: every call then takes the way with the mutex.
  void set_tracing(bool on);

  Result<void> configure(std::string_view text);
  Result<void> configure(const shmalloc_caching_params &params);
  Settings settings();
  // Whoever captures tells so; streams that the allocator knows are asked as well. Until all captures ended nothing is recorded or asked.
  void begin_capture() { captures_.fetch_add(1, std::memory_order_relaxed); }
  void end_capture() { captures_.fetch_sub(1, std::memory_order_relaxed); }

  // As shmalloc_allocator_observe and unobserve, but that a call that fails leaves userdata to the caller.
  Result<std::uint64_t> observe(std::uint32_t kinds, shmalloc_observer_fn fn, void *userdata, shmalloc_destroy_fn destroy_fn) {
    return observers_.add(kinds, fn, userdata, destroy_fn);
  }
  Result<void> unobserve(std::uint64_t id) { return observers_.remove(id); }

  // Around fork, for all of them; in the child when the fork is counted.
  static void before_fork();
  static void in_parent();
  static void in_child();

  // Of thread_cache.cpp, with the registry's lock.
  void begin_cache(ThreadCache *cache);
  void end_cache(ThreadCache *cache);

 private:
  struct Wanted {
    std::uint64_t size, rounded;
    Stream stream;
    Home *home = nullptr;
    ThreadCache *own = nullptr;
  };
  static void begin(Block *block, std::uint64_t size) {
    block->requested = size;
    block->live.store(true, std::memory_order_release);  // for lookup.hpp
  }
  bool wait_at_the_end();
  void enlist();
  void delist();
  ThreadCache *cache(Stream stream);
  Result<void> ours() const;
  Result<void> check_stream(Stream stream) const;
  Result<Block *> allocate_slowly(std::uint64_t size, Stream stream);
  Result<void> free_slowly(Block *block);
  Result<void> free_at_slowly(Address address, Stream stream);

  // With the mutex.
  Block *find_free(const Wanted &wanted);
  Block *find_kept_larger(const Wanted &wanted);
  Block *hand_out(Block *block, const Wanted &wanted);
  void take_back(Block *block, ThreadCache *own);
  Result<Block *> live_at(Address address);
  void apply(const Settings &changed);
  void poll(ThreadCache *own);
  void ready(Block *chain, ThreadCache *own);
  void wait_for_uses(Block *block);
  bool capturing();
  void note(trace::Action action, Address address, std::uint64_t size, Stream stream) const;
  void note(trace::Action action, const Block &block) const { note(action, block.address, block.requested, block.stream); }
  void note(trace::Action action, const Segment &segment) const {
    note(action, segment.address, segment.size, segment.home->stream);
  }
  void flush(ThreadCache *cache, std::uint32_t index, std::uint32_t keep);
  bool flush_all(ThreadCache *cache, Classes classes = {});
  void reclaim(const Home *home, ThreadCache *own, Classes classes = {});
  void note_peaks();
  void note_blocks();
  void count(ThreadCache *own, const Block &block, int sign);
  Counts counts() const;
  std::uint64_t limit() const;        // of what may be reserved
  std::uint64_t limit_known() const;  // .. and the device's total if there is none

  // recover.cpp, without the mutex
  Result<Block *> grow(const Wanted &wanted);
  Result<Block *> recover(const Wanted &wanted);
  Result<Block *> make_segment(const Wanted &wanted, std::uint64_t size);
  bool rather_grows(const Wanted &wanted);
  Block *look_again(const Wanted &wanted, const Home *reclaimed);
  void collect();
  Result<std::uint64_t> wait_for_device(int mistake);
  template <class Choose>
  std::uint64_t release(std::uint64_t since, Choose choose);
  std::uint64_t release_oversize(const Wanted &wanted, std::uint64_t since);
  Block *borrow(const Wanted &wanted, std::uint64_t since);

  // notices.cpp, without the mutex
  OutOfMemory facts(const Wanted &wanted);
  bool tell(shmalloc_notice_flags kind, const OutOfMemory &facts, const char *report);
  bool memory_low(const Wanted &wanted);
  Error out_of_memory(const Wanted &wanted);

  Calls &calls_;
  const std::uint64_t id_;
  const std::uint64_t generation_ = fork_generation();
  const device::Description description_;
  std::atomic<std::uint64_t> divisions_{0};  // of middle_.settings
  std::atomic<std::int32_t> captures_{0};

  std::shared_mutex growing_;
  mutable std::mutex mutex_;
  Middle middle_;
  Uses uses_;
  ThreadCache *caches_ = nullptr;
  Counts ended_;   // of threads that are gone, or have no cache
  Counts before_;  // at the last reset
  struct Pending {
    std::int64_t blocks[2] = {}, bytes[2] = {};
  };
  Pending pending_, pending_before_;                           // now, and at the last reset
  std::int64_t allocated_peak_[3] = {}, active_peak_[3] = {};  // of bytes, as far as they were noted
  std::int64_t blocks_peak_[3] = {};                           // of blocks in use, with what threads keep
  std::int64_t retries_ = 0, ooms_ = 0, waits_ = 0;
  std::atomic<bool> was_short_{false};  // once there was no memory for a segment
  trace::Recorder *recorder_ = nullptr;
  bool tracing_ = false;

  shmalloc_device device_ = SHMALLOC_DEVICE_HOST;
  std::uint64_t allocator_id_ = 0;
  Observers observers_;
  BlockCache *next_ = nullptr, *previous_ = nullptr;  // of all; with the registry's lock
};

}  // namespace shmalloc::caching
