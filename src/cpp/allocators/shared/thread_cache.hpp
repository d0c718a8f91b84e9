// What one thread keeps ready of one heap, and what it counted. Only its thread writes it; counts are read by others.
#pragma once

#include <atomic>

#include "allocators/shared/heap.hpp"

namespace shmalloc {

struct ThreadCache {
  struct Magazine {
    Block *first;
    std::uint32_t count;
  };

  std::uint64_t heap_id = 0;
  Heap *heap = nullptr;  // NULL when it is gone
  ThreadCache *next_of_thread = nullptr;
  ThreadCache *next_of_heap = nullptr, *previous_of_heap = nullptr;
  std::uint64_t kept = 0;  // bytes
  std::atomic<std::int64_t> allocations[2] = {}, frees[2] = {}, allocated[2] = {}, freed[2] = {}, requested[2] = {},
                            returned[2] = {};
  Magazine magazines[classes::kClasses] = {};

  static void add(std::atomic<std::int64_t> &counter, std::uint64_t by) {
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::int64_t>(by), std::memory_order_relaxed);
  }
  void count_in(int large, std::size_t block, std::size_t size) {
    add(allocations[large], 1);
    add(allocated[large], block);
    add(requested[large], size);
  }
  void count_out(int large, std::size_t block, std::size_t size) {
    add(frees[large], 1);
    add(freed[large], block);
    add(returned[large], size);
  }
  void add_to(HeapCounts *counts) const {
    for (int i = 0; i < 2; ++i) {
      counts->allocations[i] += allocations[i].load(std::memory_order_relaxed);
      counts->frees[i] += frees[i].load(std::memory_order_relaxed);
      counts->allocated_bytes[i] += allocated[i].load(std::memory_order_relaxed);
      counts->freed_bytes[i] += freed[i].load(std::memory_order_relaxed);
      counts->requested_bytes[i] += requested[i].load(std::memory_order_relaxed);
      counts->returned_bytes[i] += returned[i].load(std::memory_order_relaxed);
    }
  }
};

}  // namespace shmalloc
