// Heaps as a whole: threads that come and go, counts, giving back, fork.
#include <pthread.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>

#include "allocators/shared/heap.hpp"
#include "allocators/shared/locks.hpp"

namespace shmalloc {
namespace {

constinit std::atomic<bool> key_made{false};
pthread_key_t key;

}  // namespace

thread_local constinit ThreadCache *own_caches = nullptr;

void ThreadCache::add_to(HeapCounts *counts) const {
  for (std::uint32_t i = 0; i <= classes::kClasses; ++i) {
    const int large = i < classes::kSmallClasses ? 0 : 1;
    const std::int64_t size = i < classes::kClasses ? classes::kSize[i] : 0;
    const std::int64_t given = magazines[i].given.load(std::memory_order_acquire);
    const std::int64_t taken = magazines[i].taken.load(std::memory_order_relaxed);
    counts->allocations[large] += taken;
    counts->frees[large] += given;
    counts->allocated_bytes[large] += taken * size;
    counts->freed_bytes[large] += given * size;
  }
  counts->allocated_bytes[1] += uncached_bytes[0].load(std::memory_order_relaxed);
  counts->freed_bytes[1] += uncached_bytes[1].load(std::memory_order_relaxed);
  counts->requested_bytes += requested.load(std::memory_order_relaxed);
  counts->returned_bytes += returned.load(std::memory_order_relaxed);
}

// Of this thread. The one used last stands first.
ThreadCache *Heap::existing_cache() {
  ThreadCache *first = own_caches;
  if (first == nullptr || first->heap_id == id_) [[likely]]
    return first;
  for (ThreadCache *at = first; at->next_of_thread != nullptr; at = at->next_of_thread) {
    ThreadCache *found = at->next_of_thread;
    if (found->heap_id != id_) continue;
    at->next_of_thread = found->next_of_thread;
    found->next_of_thread = first;
    own_caches = found;
    return found;
  }
  return nullptr;
}

ThreadCache *Heap::cache() {
  ThreadCache *found = existing_cache();
  return found != nullptr ? found : make_cache();
}

ThreadCache *Heap::make_cache() {
  const std::lock_guard lock(heaps_mutex());
  if (!key_made.load(std::memory_order_relaxed)) {
    if (pthread_key_create(&key, end_thread) != 0) return nullptr;
    key_made.store(true, std::memory_order_relaxed);
  }
  auto *made = new (std::nothrow) ThreadCache();
  if (made == nullptr) return nullptr;
  if (pthread_setspecific(key, made) != 0) {
    delete made;
    return nullptr;
  }
  // Those of heaps that are gone go now.
  for (ThreadCache **at = &own_caches; *at != nullptr;) {
    ThreadCache *old = *at;
    if (old->heap != nullptr) {
      at = &old->next_of_thread;
    } else {
      *at = old->next_of_thread;
      delete old;
    }
  }
  made->heap_id = id_;
  made->heap = this;
  made->next_of_heap = caches_;
  if (caches_ != nullptr) caches_->previous_of_heap = made;
  caches_ = made;
  made->next_of_thread = own_caches;
  own_caches = made;
  return made;
}

// With the mutex.
void Heap::end_cache(ThreadCache *cache) {
  for (std::uint32_t i = 0; i < classes::kClasses; ++i) flush(cache, i, 0);
  cache->add_to(&ended_);
  if (cache->next_of_heap != nullptr) cache->next_of_heap->previous_of_heap = cache->previous_of_heap;
  (cache->previous_of_heap != nullptr ? cache->previous_of_heap->next_of_heap : caches_) = cache->next_of_heap;
}

void Heap::end_thread(void *) {
  const std::lock_guard lock(heaps_mutex());
  while (own_caches != nullptr) {
    ThreadCache *cache = own_caches;
    own_caches = cache->next_of_thread;
    if (cache->heap != nullptr) cache->heap->end_cache(cache);
    delete cache;
  }
}

HeapCounts Heap::counts() const {
  const std::lock_guard lock(heaps_mutex());
  HeapCounts counts = ended_;
  for (const ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_heap) cache->add_to(&counts);
  return counts;
}

std::uint64_t Heap::reserved_bytes(std::uint64_t *segments) const {
  std::uint64_t bytes = 0;
  *segments = 0;
  for (const Arena *arena = arenas_; arena != nullptr; arena = arena->next) {
    ++*segments;
    bytes += std::uint64_t{arena->end} * classes::kUnit - arena->punched;
  }
  return bytes;
}

void Heap::drop_empty_slabs() {
  for (std::uint32_t index = 0; index < classes::kSmallClasses; ++index) {
    for (Slab *slab = slabs_[index]; slab != nullptr;) {
      Slab *next = slab->next;
      if (slab->taken == 0) release_slab(slab, index);
      slab = next;
    }
  }
}

std::uint64_t Heap::drop_unused_arenas() {
  std::uint64_t bytes = 0;
  for (Arena **at = &arenas_; *at != nullptr;) {
    Arena *arena = *at;
    if (arena->free_units != arena->end) {
      at = &arena->next;
      continue;
    }
    *at = arena->next;
    bytes += arena->kept();
    ++segments_ended_;
    allocator_.recorder().note(trace::Action::segment_free, reinterpret_cast<std::uintptr_t>(arena->segment->data()),
                               std::uint64_t{arena->end} * classes::kUnit, 0, 0);
    arena->destroy();
  }
  return bytes;
}

std::uint64_t Heap::trim(std::uint64_t keep) {
  const std::lock_guard lock(heaps_mutex());
  return trim_locked(keep);
}

std::uint64_t Heap::trim_all(std::uint64_t keep) {
  const std::lock_guard lock(heaps_mutex());
  std::uint64_t bytes = 0;
  for (Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) bytes += heap->trim_locked(keep);
  return bytes;
}

std::uint64_t Heap::trim_locked(std::uint64_t keep) {
  if (ThreadCache *own = existing_cache(); own != nullptr) {
    for (std::uint32_t i = 0; i < classes::kClasses; ++i) flush(own, i, 0);
  }
  drop_batches();
  poll_limbo(SIZE_MAX, true);
  poll_limbo(SIZE_MAX, false);
  std::uint64_t bytes = 0;
  if (keep == 0) {
    drop_empty_slabs();
    bytes += drop_unused_arenas();
  }
  std::uint64_t kept = 0;
  for (Arena *arena = arenas_; arena != nullptr; arena = arena->next) kept += arena->kept();
  for (Arena *arena = arenas_; arena != nullptr && kept > keep; arena = arena->next) {
    const std::uint64_t here = arena->kept();
    const std::uint64_t freed = arena->trim(here > kept - keep ? here - (kept - keep) : 0);
    bytes += freed;
    kept -= freed;
  }
  note_reserved();
  return bytes;
}

bool Heap::clear_up_all(bool now) {
  const std::lock_guard lock(heaps_mutex());
  bool more = false;
  for (Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) {
    heap->poll_limbo(now ? SIZE_MAX : 32, now);
    if (now) heap->poll_limbo(SIZE_MAX, false);
    more = more || heap->limbo_ != nullptr;
  }
  return more;
}

bool Heap::find_address(std::uintptr_t address, bool (*visit)(SharedMemory *memory, void *context), void *context) {
  const std::lock_guard lock(heaps_mutex());
  const auto look_in = [&](const Arena *first) {
    for (const Arena *arena = first; arena != nullptr; arena = arena->next) {
      const auto base = reinterpret_cast<std::uintptr_t>(arena->segment->data());
      if (address < base) continue;
      const Block *block = arena->find_block(address - base);
      SharedMemory *memory = block != nullptr ? block->memory.load(std::memory_order_acquire) : nullptr;
      if (memory != nullptr) return visit(memory, context);
    }
    return false;
  };
  for (const Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) {
    if (look_in(heap->arenas_)) return true;
  }
  return false;
}

// With the mutex.
void Heap::count_without_cache(const Block &block, int sign, std::size_t size) {
  const int large = block.units != 0 ? 1 : 0;
  (sign > 0 ? ended_.allocations : ended_.frees)[large] += 1;
  (sign > 0 ? ended_.allocated_bytes : ended_.freed_bytes)[large] += static_cast<std::int64_t>(block.size());
  (sign > 0 ? ended_.requested_bytes : ended_.returned_bytes) += static_cast<std::int64_t>(size);
}

void Heap::at_exit() {
  const std::lock_guard lock(heaps_mutex());
  for (Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) {
    for (Arena *arena = heap->arenas_; arena != nullptr; arena = arena->next) arena->segment->remove_names();
  }
}

namespace {

template <class Function>
void each_live_block(const Arena &arena, Function function) {
  const auto look = [&function](Block &block) {
    if (block.memory.load(std::memory_order_acquire) != nullptr) function(block);
  };
  for (std::uint32_t at = 0; at < arena.end;) {
    const Unit &unit = arena.units[at];
    if (unit.state == Unit::large) {
      auto *block = static_cast<Block *>(unit.owner);
      look(*block);
      at += block->units;
    } else if (unit.state == Unit::slab) {
      auto *slab = static_cast<Slab *>(unit.owner);
      for (std::uint32_t i = 0; i < slab->count; ++i) look(slab->blocks()[i]);
      at += classes::kSlabUnits;
    } else {
      at += unit.state == Unit::free ? unit.length : 1;
    }
  }
}

}  // namespace

void Heap::before_fork() {
  for (Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) {
    for (Arena *arena = heap->arenas_; arena != nullptr; arena = arena->next) {
      each_live_block(*arena, [&](Block &block) {
        // Of the whole block: what the storage asked for is written when it is exported.
        const bool promised = block.exported.load(std::memory_order_relaxed) || heap->promise(&block, block.size());
        if (promised && arena->segment->mark_for_child(block.slot)) {
          block.marked = fork_number;
        } else {
          block.pinned.store(true, std::memory_order_relaxed);
          arena->segment->lose_child();
        }
      });
    }
  }
}

// The segments are the parent's: what is alive there is held, like what others made, and new storages come from new ones.
void Heap::in_child() {
  for (Heap *heap = all_heaps; heap != nullptr; heap = heap->next_heap_) {
    for (ThreadCache *cache = heap->caches_; cache != nullptr;) {
      ThreadCache *next = cache->next_of_heap;
      delete cache;
      cache = next;
    }
    heap->caches_ = nullptr;
    std::fill(std::begin(heap->slabs_), std::end(heap->slabs_), nullptr);
    for (Batches &batches : heap->batches_) batches = {};
    heap->limbo_ = heap->limbo_end_ = nullptr;
    heap->limbo_out_ = {};
    heap->limbo_count_ = 0;
    while (heap->arenas_ != nullptr) {
      Arena *arena = heap->arenas_;
      heap->arenas_ = arena->next;
      each_live_block(*arena, [&](Block &block) {
        SharedMemory *memory = block.memory.load(std::memory_order_relaxed);
        if (memory->segment != nullptr && memory->block == &block) {
          memory->become_held();
        } else if (block.marked == fork_number) {  // Somebody was giving it back just then, who is not in the child.
          arena->segment->unmark(block.slot);
        }
      });
      arena->free_blocks();
      delete arena;
    }
    heap->ended_ = heap->before_ = {};
    heap->reserved_ = {};
    for (Out &out : heap->out_) out = {};
    heap->lingering_ = heap->lingering_blocks_ = heap->lingering_bytes_ = 0;
  }
  own_caches = nullptr;
}

}  // namespace shmalloc
