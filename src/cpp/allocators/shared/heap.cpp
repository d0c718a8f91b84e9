#include "allocators/shared/heap.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "allocators/shared/locks.hpp"
#include "allocators/shared/slot.hpp"

namespace shmalloc {
namespace {

constexpr std::size_t kLimboPoll = 32;  // blocks looked at when a list is empty

constinit std::mutex mutex;
constinit std::atomic<std::uint64_t> next_id{1};
constinit std::uint64_t polls = 0;

Error no_block_memory() { return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the table of a segment"); }

}  // namespace

constinit Heap *all_heaps = nullptr;

std::mutex &heaps_mutex() { return mutex; }

Heap::Heap(const Allocator &allocator) : allocator_(allocator), id_(next_id.fetch_add(1, std::memory_order_relaxed)) {
  const std::lock_guard lock(mutex);
  next_heap_ = all_heaps;
  if (all_heaps != nullptr) all_heaps->previous_heap_ = this;
  all_heaps = this;
}

Heap::~Heap() {
  const std::lock_guard lock(mutex);
  if (next_heap_ != nullptr) next_heap_->previous_heap_ = previous_heap_;
  (previous_heap_ != nullptr ? previous_heap_->next_heap_ : all_heaps) = next_heap_;
  for (ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_heap) cache->heap = nullptr;
  for (Slab *&first : slabs_) first = nullptr;
  for (Batches &batches : batches_) batches = {};
  limbo_ = nullptr;
  while (arenas_ != nullptr) {
    Arena *arena = arenas_;
    arenas_ = arena->next;
    arena->free_blocks();
    arena->destroy();
  }
}

// ---- what the common path does not do ----

Result<void> Heap::allocate_slowly(std::size_t size, std::uint64_t alignment, bool zeroed, SharedMemory *memory) {
  std::uint32_t index = size <= classes::kLargestCached ? classes::class_of(size) : classes::kUncached;
  if (alignment > classes::kGrain && index != classes::kUncached) {
    // Units begin at multiples of their size, and blocks of slabs at multiples of theirs.
    if (alignment > classes::kUnit) index = classes::kUncached;
    while (index < classes::kSmallClasses && classes::kSize[index] % alignment != 0) ++index;
  }
  ThreadCache *own = cache();
  Block *block = nullptr;
  if (own != nullptr && index != classes::kUncached && own->magazines[index].first != nullptr) {
    block = pop(own, index);
  } else {
    SHMALLOC_TRY(taken, take(index, size, alignment));
    block = taken;
  }
  begin(block, size, zeroed, memory);
  if (own != nullptr) {
    own->count_in(*block, size);
  } else {
    const std::lock_guard lock(mutex);
    count_without_cache(*block, 1, size);
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  wait_for_fork(heaps_mutex);
  return {};
}

void Heap::put(Block *block, ThreadCache *own) {
  ThreadCache::Magazine &magazine = own->magazines[block->index];
  block->next = magazine.first;
  magazine.first = block;
  ++magazine.count;
}

// There is one.
Block *Heap::pop(ThreadCache *own, std::uint32_t index) {
  ThreadCache::Magazine &magazine = own->magazines[index];
  Block *block = magazine.first;
  magazine.first = block->next;
  --magazine.count;
  return block;
}

// What was exported, or inherited by forked children, what this thread has enough of, what is too large to keep.
void Heap::free_slowly(SharedMemory *memory) {
  Block *block = memory->block;
  const std::uint32_t index = block->index;
  const std::uint32_t units = block->units;
  memory->block = nullptr;
  block->memory.store(nullptr, std::memory_order_relaxed);
  ThreadCache *own = cache();
  Segment *segment = block->arena->segment;
  if (block->exported.load(std::memory_order_acquire) && segment->retire(block->slot, block->arena->generation(block->slot))) {
    block->exported.store(false, std::memory_order_relaxed);
    if (++block->arena->generation(block->slot) == wire::kLastGeneration) block->slot = kNoSlot;
  }
  const bool ready = !block->exported.load(std::memory_order_acquire) && !block->pinned.load(std::memory_order_relaxed);
  if (ready) tell(trace::Action::free_completed, *block, memory->size);
  if (ready && own != nullptr && index != classes::kUncached && own->magazines[index].count < classes::kKeep[index]) {
    put(block, own);
  } else if (ready && own != nullptr && index < classes::kBatched) {
    Block *batch = own->magazines[index].first;
    Block *last = nullptr;
    for (std::uint32_t left = classes::kKeep[index] / 2; left > 0; --left) last = pop(own, index);
    last->next = nullptr;
    put(block, own);
    const std::lock_guard lock(mutex);
    give_batch(index, batch);
  } else {
    const std::lock_guard lock(mutex);
    if (own == nullptr) count_without_cache(*block, -1, memory->size);
    if (ready) {
      if (own != nullptr && index != classes::kUncached) flush(own, index, classes::kKeep[index] / 2);
      give(block);
    } else {
      block->next = nullptr;
      (limbo_ != nullptr ? limbo_end_->next : limbo_) = block;
      limbo_end_ = block;
      ++limbo_count_;
      limbo_out_.add(1, static_cast<std::int64_t>(block->size()));
      Segment::want_maintenance();
    }
  }
  if (own != nullptr) own->count_out(index, units, memory->size);  // Once this is counted the heap may be gone.
}

// ---- with the mutex ----

// Whether nobody else uses a block of limbo any more.
bool Heap::settle(Block *block) {
  Segment *segment = block->arena->segment;
  if (block->pinned.load(std::memory_order_relaxed)) {
    if (segment->lost_children_live()) return false;
    block->pinned.store(false, std::memory_order_relaxed);
  }
  if (block->exported.load(std::memory_order_acquire)) {
    if (!segment->retire(block->slot, block->arena->generation(block->slot))) return false;
    block->exported.store(false, std::memory_order_relaxed);
    if (++block->arena->generation(block->slot) == wire::kLastGeneration) block->slot = kNoSlot;
  }
  return true;
}

// What is free again of one size goes to a thread that looks for it, as far as it keeps so many.
void Heap::poll_limbo(std::size_t most, bool clear_up, ThreadCache *to, std::uint32_t index) {
  if (limbo_ == nullptr) return;
  ++polls;
  for (std::size_t left = std::min(most, limbo_count_); left > 0; --left) {
    Block *block = limbo_;
    limbo_ = block->next;
    if (limbo_ == nullptr) limbo_end_ = nullptr;
    if (settle(block)) {
      --limbo_count_;
      limbo_out_.add(-1, -static_cast<std::int64_t>(block->size()));
      tell(trace::Action::free_completed, *block, block->size());
      if (to != nullptr && block->index == index && index != classes::kUncached &&
          to->magazines[index].count < classes::kKeep[index])
        put(block, to);
      else
        give(block);
      continue;
    }
    if (block->arena->polled != polls)
      block->arena->segment->clear_up(clear_up);  // Perhaps he who holds it is dead: the next look tells.
    block->arena->polled = polls;
    block->next = nullptr;
    (limbo_ != nullptr ? limbo_end_->next : limbo_) = block;
    limbo_end_ = block;
  }
}

// Writes into the slot of the block, which gets one if it has none, what it stands for.
bool Heap::promise(Block *block, std::size_t size) {
  Arena *arena = block->arena;
  if (block->slot == kNoSlot) {
    auto slot = arena->take_slot();
    if (!slot) return false;
    block->slot = *slot;
  }
  wire::Slot &slot = arena->segment->slot(block->slot);
  slot.offset.store(block->offset, std::memory_order_relaxed);
  slot.size.store(size, std::memory_order_relaxed);
  block->exported.store(true, std::memory_order_release);  // Who sees it sees the slot.
  return true;
}

Result<void> Heap::give_slot(SharedMemory *memory) {
  Block *block = memory->block;
  // A fork may have promised what was here before.
  if (block->exported.load(std::memory_order_acquire) &&
      block->arena->segment->slot(block->slot).size.load(std::memory_order_relaxed) == memory->size) {
    return {};
  }
  // Exports of one storage come one at a time, and its block is nobody else's but that of a thread that forks: only a slot is taken from all.
  if (block->slot == kNoSlot) {
    const std::lock_guard lock(mutex);
    if (block->slot == kNoSlot) {
      SHMALLOC_TRY(slot, block->arena->take_slot());
      block->slot = slot;
    }
  }
  promise(block, memory->size);
  return {};
}

void Heap::link_slab(Slab *slab, std::uint32_t index) {
  slab->previous = nullptr;
  slab->next = slabs_[index];
  if (slab->next != nullptr) slab->next->previous = slab;
  slabs_[index] = slab;
}

void Heap::unlink_slab(Slab *slab, std::uint32_t index) {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  (slab->previous != nullptr ? slab->previous->next : slabs_[index]) = slab->next;
}

// None of its blocks is taken.
void Heap::release_slab(Slab *slab, std::uint32_t index) {
  Arena *arena = slab->arena;
  unlink_slab(slab, index);
  for (std::uint32_t i = 0; i < slab->count; ++i) {
    if (slab->blocks()[i].slot != kNoSlot) arena->give_slot(slab->blocks()[i].slot);
  }
  arena->set_owner(slab->unit, classes::kSlabUnits, Unit::unused, nullptr);
  arena->give_span(slab->unit, classes::kSlabUnits);
  std::free(slab);
}

void Heap::give(Block *block) {
  Arena *arena = block->arena;
  const auto start = static_cast<std::uint32_t>(block->offset / classes::kUnit);
  hand_out(*block, -1);
  if (block->units == 0) {
    auto *slab = static_cast<Slab *>(arena->units[start].owner);
    if (slab->free == nullptr) link_slab(slab, block->index);
    block->next = slab->free;
    slab->free = block;
    if (--slab->taken > 0 || (slab->next == nullptr && slab->previous == nullptr)) return;  // One is kept for the next.
    release_slab(slab, block->index);
  } else {
    if (block->slot != kNoSlot) arena->give_slot(block->slot);
    arena->set_owner(start, block->units, Unit::unused, nullptr);
    arena->give_span(start, block->units);
    delete block;
  }
  constexpr std::uint64_t kSlack = std::uint64_t{64} << 20;  // Not to and fro.
  if (arena->kept() > std::max(watermark_, arena->kept_after_trim) + kSlack) {
    arena->trim(watermark_);
    arena->kept_after_trim = arena->kept();  // What is left are pieces too small to give back: not again before there is more.
  }
}

void Heap::flush(ThreadCache *own, std::uint32_t index, std::uint32_t keep) {
  while (own->magazines[index].count > keep) give(pop(own, index));
}

// A list of as many as half of what a thread keeps.
void Heap::give_batch(std::uint32_t index, Block *batch) {
  Batches &batches = batches_[index];
  if (batches.count < Batches::kMost) {
    batches.first[batches.count++] = batch;
    return;
  }
  while (batch != nullptr) {
    Block *next = batch->next;
    give(batch);
    batch = next;
  }
}

// One of them, the others for this thread, which has none.
Block *Heap::take_batch(std::uint32_t index, ThreadCache *to) {
  if (to == nullptr || index >= classes::kBatched || batches_[index].count == 0) return nullptr;
  Batches &batches = batches_[index];
  ThreadCache::Magazine &magazine = to->magazines[index];
  magazine.first = batches.first[--batches.count];
  magazine.count = classes::kKeep[index] / 2;
  return pop(to, index);
}

void Heap::drop_batches() {
  for (Batches &batches : batches_) {
    while (batches.count > 0) {
      for (Block *block = batches.first[--batches.count]; block != nullptr;) {
        Block *next = block->next;
        give(block);
        block = next;
      }
    }
  }
}

Result<Block *> Heap::take(std::uint32_t index, std::size_t size, std::uint64_t alignment) {
  const std::lock_guard lock(mutex);
  ThreadCache *own = existing_cache();
  poll_limbo(kLimboPoll, false, own, index);
  if (own != nullptr && index != classes::kUncached && own->magazines[index].first != nullptr) return pop(own, index);
  if (Block *block = take_batch(index, own); block != nullptr) return block;
  const auto once = [&] { return index < classes::kSmallClasses ? take_small(index) : take_large(index, size, alignment); };
  auto taken = once();
  if (taken) return taken;
  ++retries_;
  // What this thread keeps and what the dead held may be enough.
  if (own != nullptr) {
    for (std::uint32_t i = 0; i < classes::kClasses; ++i) flush(own, i, 0);
  }
  drop_batches();
  poll_limbo(SIZE_MAX, true);
  poll_limbo(SIZE_MAX, false);
  return once();
}

Block *Heap::take_from_slab(std::uint32_t index) {
  Slab *slab = slabs_[index];
  if (slab == nullptr) return nullptr;
  Block *block = slab->free;
  slab->free = block->next;
  ++slab->taken;
  hand_out(*block, 1);
  if (slab->free == nullptr) unlink_slab(slab, index);
  return block;
}

Result<Block *> Heap::take_small(std::uint32_t index) {
  Block *block = take_from_slab(index);
  if (block == nullptr) {
    const std::size_t size = classes::kSize[index];
    const auto count = static_cast<std::uint32_t>(classes::kSlabUnits * classes::kUnit / size);
    Arena *arena = nullptr;
    SHMALLOC_TRY(start, take_span(classes::kSlabUnits, classes::kUnit, &arena));
    void *room = std::malloc(sizeof(Slab) + count * sizeof(Block));
    if (room == nullptr) {
      arena->give_span(start, classes::kSlabUnits);
      return no_block_memory();
    }
    auto *slab = new (room) Slab();
    slab->arena = arena;
    slab->unit = start;
    slab->count = count;
    for (std::uint32_t i = count; i-- > 0;) {
      auto *made = new (slab->blocks() + i) Block();
      made->arena = arena;
      made->offset = start * classes::kUnit + i * size;
      made->index = index;
      made->next = slab->free;
      slab->free = made;
    }
    arena->set_owner(start, classes::kSlabUnits, Unit::slab, slab);
    link_slab(slab, index);
    block = take_from_slab(index);
  }
  // Some more for this thread.
  if (ThreadCache *own = existing_cache(); own != nullptr) {
    ThreadCache::Magazine &magazine = own->magazines[index];
    while (magazine.count < classes::kKeep[index] / 2) {
      Block *more = take_from_slab(index);
      if (more == nullptr) break;
      more->next = magazine.first;
      magazine.first = more;
      ++magazine.count;
    }
  }
  return block;
}

Result<Block *> Heap::take_large(std::uint32_t index, std::size_t size, std::uint64_t alignment) {
  const std::uint64_t bytes = index != classes::kUncached ? classes::kSize[index] : size;
  const std::uint64_t length = (bytes + classes::kUnit - 1) / classes::kUnit;
  if (size > (std::size_t{1} << 45))
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no segment can have %llu bytes", static_cast<unsigned long long>(size));
  auto *block = new (std::nothrow) Block();
  if (block == nullptr) return no_block_memory();
  Arena *arena = nullptr;
  auto start = take_span(static_cast<std::uint32_t>(length), alignment, &arena);
  if (!start) {
    delete block;
    return start.error();
  }
  block->arena = arena;
  block->offset = std::uint64_t{*start} * classes::kUnit;
  block->index = index;
  block->units = static_cast<std::uint32_t>(length);
  arena->set_owner(*start, block->units, Unit::large, block);
  hand_out(*block, 1);
  return block;
}

// A span with its memory, of an arena that has it, of one that can grow, or of a new one.
Result<std::uint32_t> Heap::take_span(std::uint32_t length, std::uint64_t alignment, Arena **found) {
  const Settings settings = allocator_.settings();
  watermark_ = settings.watermark;
  const auto commit = [&](Arena *arena, std::uint32_t start) -> Result<std::uint32_t> {
    if (auto committed = arena->commit(start, length); !committed) {
      arena->give_span(start, length);
      return committed.error();
    }
    *found = arena;
    note_reserved();
    return start;
  };
  for (Arena *arena = arenas_; arena != nullptr; arena = arena->next) {
    if (const std::uint32_t start = arena->take_span(length, alignment); start != Arena::kNone) return commit(arena, start);
  }
  const std::uint64_t needed = std::uint64_t{length} * classes::kUnit + (alignment > classes::kUnit ? alignment : 0);
  for (Arena *arena = arenas_; arena != nullptr; arena = arena->next) {
    if (needed > std::uint64_t{arena->unit_count - arena->end} * classes::kUnit) continue;
    SHMALLOC_CHECK(arena->extend(length, alignment, settings.growth));
    if (const std::uint32_t start = arena->take_span(length, alignment); start != Arena::kNone) return commit(arena, start);
  }
  constexpr std::uint64_t kChunk = std::uint64_t{2} << 20;
  SegmentRequest request;
  request.needed = (needed + kChunk - 1) / kChunk * kChunk;
  request.capacity = std::max((settings.segment_size + kChunk - 1) / kChunk * kChunk, request.needed);
  request.pages = settings.pages;
  request.sealed = settings.sealed;
  request.numa_node = settings.numa_node;
  if (settings.named) request.prefix = settings.prefix;
  request.mode = settings.mode;
  SHMALLOC_TRY(arena, Arena::make(request));
  arena->heap = this;
  if (auto extended = arena->extend(length, alignment, settings.growth); !extended) {
    arena->destroy();
    return extended.error();
  }
  arena->next = arenas_;
  arenas_ = arena;
  ++segments_made_;
  allocator_.recorder().note(trace::Action::segment_alloc, reinterpret_cast<std::uintptr_t>(arena->segment->data()),
                             std::uint64_t{arena->end} * classes::kUnit, 0, 0);
  return commit(arena, arena->take_span(length, alignment));
}

}  // namespace shmalloc
