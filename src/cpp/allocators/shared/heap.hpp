// Blocks for storages: per-thread lists of free ones, slabs and spans behind them, and limbo for what others still hold.
//
// A thread takes from and gives to lists of its own without a lock or an atomic instruction; only what overflows, and what was exported
// and is still held, goes through the heaps' mutex.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "allocators/allocator.hpp"
#include "allocators/shared/arena.hpp"
#include "allocators/shared/locks.hpp"
#include "allocators/shared/shared_memory.hpp"
#include "allocators/shared/thread_cache.hpp"

namespace shmalloc {

class Heap;
extern constinit Heap *all_heaps;  // with the heaps' mutex

class Heap {
 public:
  explicit Heap(const Allocator &allocator);
  Heap(const Heap &) = delete;
  Heap &operator=(const Heap &) = delete;
  ~Heap();  // nothing is live

  // Fills `memory`; its segment and block are the heap's until it is given back.
  Result<void> allocate(std::size_t size, std::uint64_t alignment, bool zeroed, SharedMemory *memory) {
    if (alignment <= classes::kGrain && allocate_quickly(size, zeroed, memory)) [[likely]]
      return {};
    return allocate_slowly(size, alignment, zeroed, memory);
  }
  // The common path: false, and nothing done, if this thread has nothing ready.
  bool allocate_quickly(std::size_t size, bool zeroed, SharedMemory *memory) {
    if (size <= classes::kLargestCached) [[likely]] {
      const std::uint32_t index = classes::class_of(size);
      ThreadCache *own = own_caches;
      if (own != nullptr && own->heap_id == id_) [[likely]] {
        ThreadCache::Magazine &magazine = own->magazines[index];
        if (Block *block = magazine.first; block != nullptr) [[likely]] {
          magazine.first = block->next;
          --magazine.count;
          begin(block, size, zeroed, memory);
          own->count_in(*block, size);
          std::atomic_signal_fence(std::memory_order_seq_cst);
          wait_for_fork(heaps_mutex);
          return true;
        }
      }
    }
    return false;
  }
  void free(SharedMemory *memory) {
    Block *block = memory->block;
    const std::uint32_t index = block->index;
    ThreadCache *own = own_caches;
    if (own != nullptr && own->heap_id == id_ && index != classes::kUncached && !block->exported.load(std::memory_order_acquire) &&
        !block->pinned.load(std::memory_order_relaxed)) [[likely]] {
      ThreadCache::Magazine &magazine = own->magazines[index];
      if (magazine.count < classes::kKeep[index]) [[likely]] {
        if (allocator_.recorder().history.on()) [[unlikely]]
          tell(trace::Action::free_completed, *block, memory->size);
        memory->block = nullptr;
        block->memory.store(nullptr, std::memory_order_relaxed);
        block->next = magazine.first;
        magazine.first = block;
        ++magazine.count;
        own->count_out(index, block->units, memory->size);  // Once this is counted the heap may be gone.
        return;
      }
    }
    free_slowly(memory);
  }
  Result<void> give_slot(SharedMemory *memory);  // with which it can be exported

  HeapCounts counts() const;
  struct Live {
    std::int64_t allocations, bytes;
  };
  Live live() const;  // without what only exports keep
  // What storages and segments there are and were, added to what `out` says.
  void add_statistics(shmalloc_statistics *out) const;
  void reset_statistics(std::uint32_t what);
  void visit_segments(std::vector<trace::Segment> *segments) const;
  // A released storage that an export keeps, or does so no longer.
  void lingers(const SharedMemory &memory, int sign);
  // Gives back what is free, down to `keep` bytes, what the dead held included. How many bytes.
  std::uint64_t trim(std::uint64_t keep);
  static std::uint64_t trim_all(std::uint64_t keep);
  const Allocator &allocator() const { return allocator_; }
  // Every heap of this process: takes back what others let go, or what they held and died.
  // True while there are such.
  static bool clear_up_all(bool now);
  // As Segment::find_address, of what this process's allocators made.
  static bool find_address(std::uintptr_t address, bool (*visit)(SharedMemory *memory, void *context), void *context);

  // Fork, between the segments' own steps: what is alive is held by the child too, and by nothing else of the parent's in the child.
  static void before_fork();
  static void in_child();
  // Names would be left behind.
  static void at_exit();

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
  static void begin(Block *block, std::size_t size, bool zeroed, SharedMemory *memory) {
    Segment *segment = block->arena->segment;
    memory->block = block;
    memory->segment = segment;
    memory->data = segment->data() + block->offset;
    memory->size = memory->capacity = size;
    memory->stable.store(segment->stable(), std::memory_order_relaxed);
    block->memory.store(memory, std::memory_order_release);
    if (zeroed) [[unlikely]]
      std::memset(memory->data, 0, size);
  }
  Result<void> allocate_slowly(std::size_t size, std::uint64_t alignment, bool zeroed, SharedMemory *memory);
  void free_slowly(SharedMemory *memory);
  static void put(Block *block, ThreadCache *cache);
  static Block *pop(ThreadCache *cache, std::uint32_t index);
  void give_batch(std::uint32_t index, Block *batch);
  Block *take_batch(std::uint32_t index, ThreadCache *to);
  void drop_batches();
  void count_without_cache(const Block &block, int sign, std::size_t size);
  bool settle(Block *block);
  void poll_limbo(std::size_t most, bool clear_up, ThreadCache *to = nullptr, std::uint32_t index = 0);
  bool promise(Block *block, std::size_t size);
  std::uint64_t trim_locked(std::uint64_t keep);
  std::uint64_t drop_unused_arenas();
  void drop_empty_slabs();
  void end_cache(ThreadCache *cache);
  void link_slab(Slab *slab, std::uint32_t index);
  void unlink_slab(Slab *slab, std::uint32_t index);
  void release_slab(Slab *slab, std::uint32_t index);

  const Allocator &allocator_;
  const std::uint64_t id_;
  Heap *next_heap_ = nullptr, *previous_heap_ = nullptr;
  Arena *arenas_ = nullptr;
  Slab *slabs_[classes::kSmallClasses] = {};  // with free blocks
  // Blocks that a thread had too many of, for the next one that has none: half of what a thread keeps in each.
  struct Batches {
    static constexpr std::uint32_t kMost = 4;
    Block *first[kMost];
    std::uint32_t count;
  };
  Batches batches_[classes::kBatched] = {};
  void hand_out(const Block &block, int sign);
  void note_reserved();
  std::uint64_t reserved_bytes(std::uint64_t *segments) const;
  void tell(trace::Action action, const Block &block, std::size_t size) const;

  // Blocks that are not free in the middle, threads' own lists included: what is in use is never more.
  struct Out {
    std::int64_t blocks = 0, bytes = 0, peak_blocks = 0, peak_bytes = 0;
    void add(std::int64_t number, std::int64_t size) {
      blocks += number;
      bytes += size;
      peak_blocks = std::max(peak_blocks, blocks);
      peak_bytes = std::max(peak_bytes, bytes);
    }
  };
  Out out_[3];                // shmalloc_stat_pool
  Out reserved_, limbo_out_;  // segments; blocks that others hold
  std::int64_t segments_made_ = 0, segments_ended_ = 0, retries_ = 0;
  HeapCounts before_;  // what was counted at the last reset
  std::int64_t lingering_ = 0, lingering_blocks_ = 0, lingering_bytes_ = 0;
  Block *limbo_ = nullptr, *limbo_end_ = nullptr;
  std::size_t limbo_count_ = 0;
  ThreadCache *caches_ = nullptr;
  HeapCounts ended_;  // of threads that are gone
  std::uint64_t watermark_ = 0;
};

}  // namespace shmalloc
