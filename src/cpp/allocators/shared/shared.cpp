#include "allocators/shared/shared.hpp"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include "allocators/map/map.hpp"
#include "allocators/shared/locks.hpp"
#include "allocators/shared/slot.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constinit std::mutex orphans_mutex;
constinit SharedAllocator *orphans = nullptr;

// Memories are never given back to the C library: who finds one by its address may look at it a little too late.
constinit std::mutex memories_mutex;
struct FreeMemory {
  FreeMemory *next;
};
constinit FreeMemory *free_memories = nullptr;

}  // namespace

Result<bool> SharedAllocator::pooled(std::size_t size, const shmalloc_storage_params &params) {
  const bool isolated = (params.flags & SHMALLOC_STORAGE_ISOLATED) != 0;
  if (params.name != nullptr || params.mapped != 0 || params.file_offset != 0 || params.page_size != 0 || params.mode != 0) {
    return fail(SHMALLOC_STATUS_INVALID, 0,
                "name, mapped, file_offset, page_size and mode are for storages of kind MAP, not SHARED");
  }
  // What can grow, or lies on a node of its own choice, has pages of its own.
  if (isolated || size == 0 || params.capacity > size || params.numa_node != 0) return false;
  if (params.alignment > (std::uint64_t{1} << 30))
    return fail(SHMALLOC_STATUS_INVALID, 0, "alignment must be at most 2^30 in a segment, not %llu",
                static_cast<unsigned long long>(params.alignment));
  return true;
}

Result<std::unique_ptr<Memory>> SharedAllocator::make(std::size_t size, std::uint64_t /*stream*/,
                                                      const shmalloc_storage_params &params) {
  SHMALLOC_TRY(in_segment, pooled(size, params));
  if (in_segment) {
    std::unique_ptr<SharedMemory> memory(new (std::nothrow) SharedMemory());
    if (memory == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
    SHMALLOC_CHECK(heap_.allocate(size, params.alignment, (params.flags & SHMALLOC_STORAGE_ZEROED) != 0, memory.get()));
    return std::unique_ptr<Memory>(std::move(memory));
  }
  // A memfd of its own.
  const Settings current = settings();
  SHMALLOC_TRY(plan, make_plan(current.named ? std::uint32_t{SHMALLOC_MAPPED_SHAREDMEM} : 0, false));
  SHMALLOC_TRY(request, make_request(size, params, current));
  std::unique_ptr<MapMemory> empty(new (std::nothrow) MapMemory());
  if (empty == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a storage");
  SHMALLOC_TRY(memory, MapMemory::open(plan, request, std::move(empty)));
  return std::unique_ptr<Memory>(std::move(memory));
}

std::uint32_t SharedAllocator::capabilities() const {
  return SHMALLOC_CAPABILITY_HOST_ACCESS | SHMALLOC_CAPABILITY_EXPORT | SHMALLOC_CAPABILITY_EXPORT_BYTES |
         SHMALLOC_CAPABILITY_READ_ONLY | SHMALLOC_CAPABILITY_GROW;
}

std::uint64_t SharedAllocator::live_storages() const {
  return Allocator::live_storages() + static_cast<std::uint64_t>(heap_.live().allocations);
}

std::uint64_t SharedAllocator::live_bytes() const {
  return Allocator::live_bytes() + static_cast<std::uint64_t>(heap_.live().bytes);
}

// Its storages have no reference to it, for a count that all threads change would be slow: it ends when none is counted any more.
void SharedAllocator::destroy() {
  {
    const std::lock_guard lock(orphans_mutex);
    next_orphan_ = orphans;
    orphans = this;
    orphaned_.store(true, std::memory_order_relaxed);
    orphans_left_.store(true, std::memory_order_relaxed);
  }
  end_orphans();
}

void SharedAllocator::end_orphans() {
  while (any_orphans()) {
    SharedAllocator *unused = nullptr;
    {
      const std::lock_guard lock(orphans_mutex);
      for (SharedAllocator **at = &orphans; *at != nullptr; at = &(*at)->next_orphan_) {
        if ((*at)->heap_.counts().live() != 0) continue;
        unused = *at;
        *at = unused->next_orphan_;
        break;
      }
      orphans_left_.store(orphans != nullptr, std::memory_order_relaxed);
    }
    if (unused == nullptr) {
      if (any_orphans()) Segment::want_maintenance();
      return;
    }
    delete unused;
  }
}

void SharedAllocator::before_fork() {
  orphans_mutex.lock();
  heaps_mutex().lock();
  memories_mutex.lock();
  ++fork_number;
  forking.store(true, std::memory_order_seq_cst);
  os::fence_all_threads();
  Segment::before_fork();
  Heap::before_fork();
}

void SharedAllocator::in_parent() {
  forking.store(false, std::memory_order_relaxed);
  Segment::in_parent();
  memories_mutex.unlock();
  heaps_mutex().unlock();
  orphans_mutex.unlock();
}

void SharedAllocator::in_child() {
  forking.store(false, std::memory_order_relaxed);
  Segment::in_child();
  Heap::in_child();
  Segment::unlock_child();
  memories_mutex.unlock();
  heaps_mutex().unlock();
  orphans_mutex.unlock();
}

// ---- the memory of one storage ----

void *SharedMemory::operator new(std::size_t size, const std::nothrow_t &) noexcept {
  {
    const std::lock_guard lock(memories_mutex);
    if (free_memories != nullptr) {
      FreeMemory *memory = free_memories;
      free_memories = memory->next;
      return memory;
    }
  }
  return std::malloc(size);
}

void SharedMemory::operator delete(void *memory) {
  const std::lock_guard lock(memories_mutex);
  free_memories = new (memory) FreeMemory{free_memories};
}

void SharedMemory::give_back() {
  Segment *const from = segment;
  if (from == nullptr) return;
  storage.store(nullptr, std::memory_order_relaxed);
  segment = nullptr;
  if (block != nullptr) {
    Heap &heap = *block->arena->heap;
    if (lingering) heap.lingers(*this, -1);
    lingering = false;
    const bool orphaned = SharedAllocator::any_orphans() && static_cast<const SharedAllocator &>(heap.allocator()).orphaned();
    heap.free(this);
    if (orphaned) SharedAllocator::end_orphans();
  } else {
    if (held.slot != kNoSlot) from->let_go(held.slot, this);
    from->release();
  }
  imported_read_only = false;
  data = nullptr;  // Until here others may look at it: they find it in lists.
  size = capacity = 0;
}

Result<void> SharedMemory::close(bool) {
  give_back();
  return {};
}

Result<void> SharedMemory::grow(std::size_t wanted) {
  if (wanted <= size) return {};
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "storages of kind SHARED can't grow: make it with ISOLATED and a capacity");
}

Result<void> SharedMemory::seal() {
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "storages of kind SHARED can't be sealed, their neighbours would be too: use ISOLATED");
}

Result<Ticket> SharedMemory::ticket() {
  if (block == nullptr && held.slot == kNoSlot)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
                "this process inherited the storage and has no place in its segment: only its maker can export it");
  if (block == nullptr) return held;
  SHMALLOC_CHECK(block->arena->heap->give_slot(this));
  Ticket ticket;
  std::memcpy(ticket.id, segment->id(), sizeof ticket.id);
  ticket.slot = block->slot;
  ticket.generation = block->arena->generation(block->slot);
  ticket.offset = block->offset;
  ticket.size = size;
  return ticket;
}

Result<void> SharedMemory::revoke() {
  if (block == nullptr)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "only the process that made the storage can revoke its handles");
  if (!block->exported.load(std::memory_order_relaxed)) return {};
  std::uint32_t &generation = block->arena->generation(block->slot);
  if (generation + 1 == wire::kLastGeneration)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "the slot has been used too often to revoke");
  if (slot::revoke(segment->slot(block->slot), generation)) ++generation;
  return {};
}

// In a forked child, of what its parent made: the segment has our place's bit in the slot, if there was a place.
void SharedMemory::become_held() {
  std::memcpy(held.id, segment->id(), sizeof held.id);
  const bool counted = block->marked == fork_number;
  held.slot = counted ? block->slot : kNoSlot;
  held.generation = counted ? block->arena->generation(block->slot) : 0;
  held.offset = block->offset;
  held.size = size;
  block = nullptr;
  lingering = false;
  segment->retain();
  if (counted) {
    segment->inherit(held.slot, this);
    segment->slot(held.slot).size.store(size, std::memory_order_relaxed);  // Our parent left that open.
  } else {
    segment->retain();  // Mapped for good: nobody tells when it is not used any more.
  }
}

Result<void> SharedMemory::open(Segment *from, const Ticket &ticket, bool for_reading_only) {
  char *base = from->data();
  if (for_reading_only) {
    SHMALLOC_TRY(reading, from->read_only_data());
    base = reading;
  }
  data = base + ticket.offset;  // Set before we can be found by our address.
  size = capacity = ticket.size;
  block = nullptr;
  held = ticket;
  if (auto holding = from->hold(ticket, this); !holding) {
    data = nullptr;
    size = capacity = 0;
    return holding;
  }
  segment = from;
  read_only = imported_read_only = for_reading_only;
  stable.store(from->stable(), std::memory_order_relaxed);
  return {};
}

std::uint64_t SharedMemory::allocator_id() const {
  return block != nullptr && block->arena->heap != nullptr ? block->arena->heap->allocator().id() : 0;
}

void SharedMemory::linger() {
  if (block == nullptr) return;
  lingering = true;
  block->arena->heap->lingers(*this, 1);
}

void SharedMemory::tell_recorder(trace::Action action, std::uint64_t storage_id) const {
  if (block == nullptr) return;
  block->arena->heap->allocator().recorder().note(action, reinterpret_cast<std::uintptr_t>(data), size, 0, storage_id);
}

std::uint64_t SharedMemory::export_ttl_ms() const {
  return block != nullptr ? block->arena->heap->allocator().settings().export_ttl_ms : Settings().export_ttl_ms;
}

}  // namespace shmalloc
