// What one thread keeps ready of one allocator and stream, and what it counted.
//
// Its thread takes and gives without a lock or an atomic instruction: it says that it is busy, and looks whether it is to stop. Whoever
// needs what threads keep (memory is short, all is to be given back) has the allocator's mutex, tells them to stop, fences all threads, and
// waits until none is busy; who was told to stop goes the way that takes the mutex. Where the system has no such fence there are no caches.
// Lists are touched by their thread while it is busy or has the mutex, and by others while it is stopped; counts are written by their
// thread alone, but for the peaks, and read by all.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "allocators/caching/block.hpp"
#include "allocators/caching/mutant.hpp"
#include "shmalloc/trace.h"

namespace shmalloc::caching {

class BlockCache;

inline constexpr std::uint32_t kKeptClasses = class_of(kLargestKept) + 1;

// How many of a class.
constexpr std::uint32_t keep_of(std::uint32_t index) {
  const std::uint64_t size = least_of(index);
  return size <= 64 * 1024 ? 64 : size <= kSmall ? 16 : size <= 16 * kMiB ? 4 : 2;
}
struct Keep {
  std::uint8_t of[kKeptClasses];
};
constexpr Keep make_keep() {
  Keep made{};
  for (std::uint32_t i = 0; i < kKeptClasses; ++i) made.of[i] = static_cast<std::uint8_t>(keep_of(i));
  return made;
}
inline constexpr Keep kKeep = make_keep();

// Whether threads keep it. A small block of a large segment was lent in need: with it the segment would be kept.
inline bool may_be_kept(const Block &block) {
  return !block.oversize && block.index < kKeptClasses && (block.large == 0 || is_large(block.size));
}
// Of what threads keep; those of a pool: where blocks of it can be.
struct Classes {
  std::uint32_t from = 0, to = kKeptClasses;
};
constexpr Classes classes_of_pool(bool large) {
  return large ? Classes{class_of(kSmall), kKeptClasses} : Classes{0, class_of(kSmall) + 1};
}
// So many bytes of small blocks are kept without being merged when another small segment is needed.
inline constexpr std::uint64_t kKeptUnmerged = 16 * kMiB;
// After so many times that others took what it keeps a thread gets a segment more.
inline constexpr std::uint32_t kRobbedOften = 4;

// What happened, added up; [0] small and [1] large, by the pool.
struct Counts {
  std::int64_t allocations[2] = {}, frees[2] = {};
  std::int64_t allocated[2] = {}, freed[2] = {};     // bytes of blocks
  std::int64_t requested[2] = {}, returned[2] = {};  // bytes as asked for
};

struct ThreadCache {
  using Counter = std::atomic<std::int64_t>;
  struct Magazine {
    Block *first = nullptr;
    std::uint32_t count = 0;
  };

  std::uint64_t allocator_id = 0;
  Stream stream = 0;
  std::atomic<std::uint32_t> busy{0};
  std::atomic<std::uint32_t> stop{0};  // how many want it to; changed with the owner's mutex
  struct {
    Counter allocations{0}, frees{0}, allocated{0}, requested{0}, returned{0};
    Counter live{0};  // allocated and not freed: less than nothing where this thread frees what others made
    Counter peak{0};  // of live, since it was noted
  } pools[2];
  Counter peak{0};  // of both pools together
  Magazine magazines[kKeptClasses] = {};
  Home *home = nullptr;
  std::uint32_t robbed = 0;     // times that others took what it keeps; with the owner's mutex
  BlockCache *owner = nullptr;  // NULL when it is gone; with the registry's lock
  ThreadCache *next_of_thread = nullptr;
  ThreadCache *next_of_owner = nullptr, *previous_of_owner = nullptr;

  // Between enter, if it says yes, and leave the lists are this thread's.
  bool enter() {
    busy.store(1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the stopping thread pays for the rest
    if (stop.load(std::memory_order_acquire) == 0) [[likely]]
      return true;
    leave();
    return false;
  }
  void leave() { busy.store(0, std::memory_order_release); }
  void hold() { stop.store(stop.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
  void let_go() { stop.store(stop.load(std::memory_order_relaxed) - 1, std::memory_order_release); }
  // In a forked child: its thread, wherever it was, is not there to say that it is busy no more.
  void abandon() {
    hold();
    if (!mutant(44)) busy.store(0, std::memory_order_relaxed);
  }

  Block *pop(std::uint32_t index) {
    Magazine &magazine = magazines[index];
    Block *block = magazine.first;
    step();
    magazine.first = block->next_free;
    --magazine.count;
    return block;
  }
  void push(Block *block) {
    Magazine &magazine = magazines[block->index];
    block->next_free = magazine.first;
    magazine.first = block;
    ++magazine.count;
  }
  void count_in(const Block &block) {
    auto &pool = pools[block.large];
    add(pool.allocations, 1);
    add(pool.allocated, block.size);
    add(pool.requested, block.requested);
    const std::int64_t live = add(pool.live, block.size);
    raise(pool.peak, live);
    raise(peak, live + pools[1 - block.large].live.load(std::memory_order_relaxed));
  }
  void count_out(const Block &block) {
    auto &pool = pools[block.large];
    add(pool.frees, 1);
    add(pool.live, ~block.size + 1);
    add(pool.returned, block.requested);
  }
  void add_to(Counts *counts) const;
  void forget_peaks();

 private:
  static std::int64_t add(Counter &counter, std::uint64_t by) {
    const std::int64_t sum = counter.load(std::memory_order_relaxed) + static_cast<std::int64_t>(by);
    counter.store(sum, std::memory_order_relaxed);
    return sum;
  }
  static void raise(Counter &peak, std::int64_t now) {
    if (now > peak.load(std::memory_order_relaxed)) peak.store(now, std::memory_order_relaxed);
  }
};

// In a library TLS is reached quickest by this model; it takes one word of the room that programs keep for libraries loaded later. The
// one used last stands first.
extern thread_local constinit ThreadCache *own_thread_caches [[gnu::tls_model("initial-exec")]];

// Of threads' lists, of who owns what is in them, and of all allocators. Taken before an allocator's mutex.
extern constinit std::mutex registry;

// This thread's, of an allocator and stream; it becomes the first.
ThreadCache *existing_cache(std::uint64_t allocator_id, Stream stream);
// A new one; NULL: there is no memory, or no fence.
ThreadCache *make_cache(BlockCache *owner, std::uint64_t allocator_id, Home *home);
// The owner of this list ends: no thread touches it any more. With the registry's lock.
void disown_caches(ThreadCache *first);

// With the owner's mutex: all threads that have a cache of these keep out of it. Without a fence that works nobody does, and `all` says so.
class Stopped {
 public:
  // Of one home, or of all.
  Stopped(ThreadCache *first, const Home *home, const ThreadCache *own);
  Stopped(const Stopped &) = delete;
  Stopped &operator=(const Stopped &) = delete;
  ~Stopped();
  bool all() const { return all_; }

 private:
  template <class Function>
  void each(Function function) {
    for (ThreadCache *cache = first_; cache != nullptr; cache = cache->next_of_owner) {
      if (cache != own_ && (home_ == nullptr || cache->home == home_)) function(cache);
    }
  }

  ThreadCache *const first_;
  const Home *const home_;
  const ThreadCache *const own_;
  bool all_ = true;
};

}  // namespace shmalloc::caching
