// Blocks for storages: per-thread lists of free ones, slabs and spans behind them, and limbo for what others still hold.
//
// A thread takes from and gives to lists of its own without a lock or an atomic instruction; only what overflows, and what was exported
// and is still held, goes through the heaps' mutex.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocators/allocator.hpp"
#include "allocators/shared/arena.hpp"
#include "allocators/shared/shared_memory.hpp"

namespace shmalloc {

struct ThreadCache;

// What happened, added up; `small` and `large` by the size of the block.
struct HeapCounts {
  std::int64_t allocations[2] = {}, frees[2] = {};
  std::int64_t allocated_bytes[2] = {}, freed_bytes[2] = {};     // of blocks
  std::int64_t requested_bytes[2] = {}, returned_bytes[2] = {};  // of storages
  std::int64_t live() const { return allocations[0] + allocations[1] - frees[0] - frees[1]; }
};

class Heap;
extern constinit Heap *all_heaps;  // with the heaps' mutex

class Heap {
 public:
  explicit Heap(const Allocator &allocator);
  Heap(const Heap &) = delete;
  Heap &operator=(const Heap &) = delete;
  ~Heap();  // nothing is live

  // Fills `memory`; its segment and block are the heap's until it is given back.
  Result<void> allocate(std::size_t size, std::uint64_t alignment, bool zeroed, SharedMemory *memory);
  void free(SharedMemory *memory);
  Result<void> give_slot(SharedMemory *memory);  // with which it can be exported
  void free_inherited(const SharedMemory &memory);

  HeapCounts counts() const;
  std::uint64_t pending(std::uint64_t *bytes) const;  // blocks in limbo
  std::uint64_t reserved_bytes(std::uint64_t *segments) const;
  // Gives back what is free, down to `keep` bytes, what the dead held included. How many bytes.
  std::uint64_t trim(std::uint64_t keep);
  static std::uint64_t trim_all(std::uint64_t keep);
  const Allocator &allocator() const { return allocator_; }
  // Every heap of this process: takes back what others let go, or what they held and died.
  // True while there are such.
  static bool clear_up_all(bool now);
  // As Segment::find_address, of what this process's allocators made.
  static bool find_address(std::uintptr_t address, bool (*visit)(SharedMemory *memory, void *context), void *context);

  // Whether this process inherited, by fork, the use of the owner's storage at an offset of a segment. Its hold of the slot came from the
  // owner then, and is not its own to give back.
  static bool inherited(const Segment *segment, std::uint64_t offset);
  static void in_child();

 private:
  static void end_thread(void *);

  Result<Block *> take(std::uint32_t index, std::size_t size, std::uint64_t alignment);
  Result<Block *> take_large(std::uint32_t index, std::size_t size, std::uint64_t alignment);
  Result<Block *> take_small(std::uint32_t index);
  Result<std::uint32_t> take_span(std::uint32_t length, std::uint64_t alignment, Arena **arena);
  Block *take_from_slab(std::uint32_t index);
  void give(Block *block);  // to its slab, or its span to the arena
  ThreadCache *cache();     // NULL: there is no memory for one
  ThreadCache *existing_cache();
  ThreadCache *make_cache();
  void flush(ThreadCache *cache, std::uint32_t index, std::uint32_t keep);
  void keep(Block *block, ThreadCache *cache);
  void free_slowly(Block *block, ThreadCache *cache);
  void count_without_cache(int large, int sign, std::size_t block, std::size_t size);
  bool settle(Block *block);
  void poll_limbo(std::size_t most, bool clear_up);
  bool promise(Block *block, std::size_t size);
  std::uint64_t trim_locked(std::uint64_t keep);
  std::uint64_t drop_unused_arenas();
  void drop_empty_slabs();
  void end_cache(ThreadCache *cache);
  void link_slab(Slab *slab, std::uint32_t index);
  void unlink_slab(Slab *slab, std::uint32_t index);

  const Allocator &allocator_;
  const std::uint64_t id_;
  Heap *next_heap_ = nullptr, *previous_heap_ = nullptr;
  Arena *arenas_ = nullptr;
  Slab *slabs_[classes::kSmallClasses] = {};  // with free blocks
  Block *limbo_ = nullptr, *limbo_end_ = nullptr;
  std::atomic<std::size_t> limbo_count_{0};
  ThreadCache *caches_ = nullptr;
  HeapCounts ended_;  // of threads that are gone
  std::uint64_t watermark_ = 0;
};

}  // namespace shmalloc
