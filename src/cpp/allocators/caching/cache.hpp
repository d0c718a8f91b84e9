// The caching allocator, for any device (see caching.hpp).
//
// allocate and free of a size that this thread keeps ready take no lock: thread_cache.hpp. All else is in the middle, with one mutex.
//
// Locks, in the order in which they are taken:
// 1. growing_: shared while a segment is made, or old ones are collected; exclusively by the out-of-memory sequence, which so waits for
//    segments that others are making and then finds what is left of them.
// 2. the registry of threads' caches (thread_cache.cpp).
// 3. mutex_: middle_, uses_, the list of caches, callbacks. Never held while the device may be waited for (calls.hpp says which calls).
// Callbacks and observers run with no lock held.
//
// What is free is free for its own stream, in whose order the next user's work comes. For anything else (giving it back to the device,
// another stream) the device is waited for first, and only what was free before the wait counts.
#pragma once

#include <mutex>
#include <shared_mutex>

#include "allocators/caching/lookup.hpp"
#include "allocators/caching/middle.hpp"
#include "allocators/caching/mutant.hpp"
#include "allocators/caching/report.hpp"
#include "allocators/caching/thread_cache.hpp"
#include "allocators/caching/uses.hpp"

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

// Memory is needed: frees what it can, and says whether it freed anything.
using FreeCallback = bool (*)(void *userdata);
// An allocation fails: the facts, and the report; "" if there was no memory for its text.
using Observer = void (*)(const OutOfMemory &facts, const char *report, void *userdata);

class BlockCache {
 public:
  explicit BlockCache(Calls &calls);
  BlockCache(const BlockCache &) = delete;
  BlockCache &operator=(const BlockCache &) = delete;
  ~BlockCache();  // nobody calls any more; segments go back, whatever is live in them

  // Nothing of 0 bytes: NULL.
  Result<Block *> allocate(std::uint64_t size, Stream stream) {
    if (Block *block = allocate_quickly(size, stream); block != nullptr) [[likely]]
      return block;
    return allocate_slowly(size, stream);
  }
  // The common path: NULL, and nothing done, if this thread has nothing ready.
  Block *allocate_quickly(std::uint64_t size, Stream stream) {
    ThreadCache *own = own_thread_caches;
    if (size - 1 >= kLargestKept || own == nullptr || own->allocator_id != id_ || own->stream != stream) [[unlikely]]
      return nullptr;
    const std::uint64_t rounded = Divisions(divisions_.load(std::memory_order_relaxed)).round(size);
    const std::uint32_t index = class_of(rounded);
    if (index >= kKeptClasses || !own->enter()) [[unlikely]]
      return nullptr;
    Block *block = own->magazines[index].first;
    if (block != nullptr && block->size == rounded) [[likely]] {
      own->pop(index);
      begin(block, size);
      own->count_in(*block);
    } else {
      block = nullptr;
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
    if (block->special || own == nullptr || own->allocator_id != id_ || own->stream != block->stream) [[unlikely]]
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
  // The live block that begins there; NOT_FOUND.
  Result<Block *> find(Address address);
  static Range base_allocation(const Block &block) { return {block.segment->address, block.segment->size}; }

  // Gives back to the device all that is not in use, after a wait for the device. How many bytes. BUSY in a capture.
  Result<std::uint64_t> empty_cache();
  Result<CacheInfo> cache_info();
  // The numbers of trace.h. currents, allocated and freed are exact when no other thread is at it. Peaks of allocated_bytes and
  // active_bytes are exact with one thread; with more, and of the other numbers of live blocks, they are too high by what threads keep
  // ready at most. What threads keep is neither active nor inactive_split.
  void statistics(shmalloc_statistics *out);
  void reset_statistics(std::uint32_t what);  // shmalloc_reset_flags; 0: all

  Result<void> configure(std::string_view text);
  Settings settings();
  Result<void> set_memory_fraction(double fraction);
  // Whoever captures tells so; streams that the allocator knows are asked as well. Until all captures ended nothing is recorded or asked.
  void begin_capture() { captures_.fetch_add(1, std::memory_order_relaxed); }
  void end_capture() { captures_.fetch_sub(1, std::memory_order_relaxed); }

  static constexpr std::size_t kMostCallbacks = 16;
  Result<void> add_free_callback(FreeCallback callback, void *userdata);
  Result<void> add_observer(Observer observer, void *userdata);

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
  template <class Function>
  struct Told {
    Function function = nullptr;
    void *userdata = nullptr;
  };
  template <class Function>
  struct List {
    Told<Function> of[kMostCallbacks];
    std::size_t count = 0;
  };

  static void begin(Block *block, std::uint64_t size) {
    block->requested = size;
    block->live.store(true, std::memory_order_relaxed);
  }
  ThreadCache *cache(Stream stream);
  Result<Block *> allocate_slowly(std::uint64_t size, Stream stream);
  Result<void> free_slowly(Block *block);

  // With the mutex.
  Block *find_free(const Wanted &wanted);
  Block *hand_out(Block *block, const Wanted &wanted);
  void poll();
  void ready(Block *chain);
  void wait_for_uses(Block *block);
  bool capturing();
  void flush(ThreadCache *cache, std::uint32_t index, std::uint32_t keep);
  void flush_all(ThreadCache *cache);
  void reclaim(const Home *home, ThreadCache *own);
  void note_peaks();
  void count(ThreadCache *own, const Block &block, int sign);
  Counts counts() const;
  std::uint64_t limit() const;        // of what may be reserved
  std::uint64_t limit_known() const;  // .. and the device's total if there is none

  // recover.cpp, without the mutex
  Result<Block *> grow(const Wanted &wanted);
  Result<Block *> recover(const Wanted &wanted);
  Result<Block *> make_segment(const Wanted &wanted, std::uint64_t size);
  Block *look_again(const Wanted &wanted, const Home *reclaimed);
  bool call_back();
  Result<void> collect();
  Result<std::uint64_t> wait_for_device();
  template <class Choose>
  std::uint64_t release(std::uint64_t since, Choose choose);
  std::uint64_t release_oversize(const Wanted &wanted, std::uint64_t since);
  Block *borrow(const Wanted &wanted, std::uint64_t since);
  Error out_of_memory(const Wanted &wanted);
  OutOfMemory facts(const Wanted &wanted);

  Calls &calls_;
  const std::uint64_t id_;
  const device::Description description_;
  std::atomic<std::uint64_t> divisions_{0};  // of middle_.settings
  std::atomic<std::int32_t> captures_{0};

  std::shared_mutex growing_;
  std::mutex mutex_;
  Middle middle_;
  Uses uses_;
  Lookup lookup_;
  ThreadCache *caches_ = nullptr;
  Counts ended_;   // of threads that are gone, or have no cache
  Counts before_;  // at the last reset
  struct Pending {
    std::int64_t blocks[2] = {}, bytes[2] = {};
  };
  Pending pending_, pending_before_;                           // now, and at the last reset
  std::int64_t allocated_peak_[3] = {}, active_peak_[3] = {};  // of bytes, as far as they were noted
  std::int64_t retries_ = 0, ooms_ = 0, waits_ = 0;
  List<FreeCallback> callbacks_;
  List<Observer> observers_;
};

}  // namespace shmalloc::caching
