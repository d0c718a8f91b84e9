// What one thread keeps ready of one heap, and what it counted. Only its thread writes it; counts are read by others.
#pragma once

#include <atomic>
#include <cstddef>

#include "allocators/shared/arena.hpp"

namespace shmalloc {

// What happened, added up; [0] small and [1] large, by the size of the block.
struct HeapCounts {
  std::int64_t allocations[2] = {}, frees[2] = {};
  std::int64_t allocated_bytes[2] = {}, freed_bytes[2] = {};  // of blocks
  std::int64_t requested_bytes = 0, returned_bytes = 0;       // of storages
  std::int64_t live() const { return allocations[0] + allocations[1] - frees[0] - frees[1]; }
};

struct ThreadCache {
  using Counter = std::atomic<std::int64_t>;
  // Free blocks of one class, and how many were ever taken and given back by this thread.
  struct Magazine {
    Block *first;
    std::uint32_t count;
    Counter taken, given;
  };

  std::uint64_t heap_id = 0;
  Heap *heap = nullptr;  // NULL when it is gone
  ThreadCache *next_of_thread = nullptr;
  Counter requested = 0, returned = 0;
  Magazine magazines[classes::kClasses + 1] = {};  // the last one only counts: what is not kept
  Counter uncached_bytes[2] = {};
  ThreadCache *next_of_heap = nullptr, *previous_of_heap = nullptr;

  static void add(Counter &counter, std::size_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::int64_t>(by), std::memory_order_relaxed);
  }
  void count_in(const Block &block, std::size_t size) {
    add(magazines[block.index].taken, 1);
    add(requested, size);
    if (block.index == classes::kUncached) [[unlikely]]
      add(uncached_bytes[0], block.units * classes::kUnit);
  }
  void count_out(std::uint32_t index, std::uint32_t units, std::size_t size) {
    add(returned, size);
    if (index == classes::kUncached) [[unlikely]]
      add(uncached_bytes[1], units * classes::kUnit);
    Counter &given = magazines[index].given;  // Who sees this counted sees all that was done before.
    given.store(given.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  void add_to(HeapCounts *counts) const;
};

// In a library TLS is reached quickest by this model; it takes one word of the room that programs keep for libraries loaded later.
extern thread_local constinit ThreadCache *own_caches [[gnu::tls_model("initial-exec")]];

}  // namespace shmalloc
