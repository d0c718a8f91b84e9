// What a heap tells of itself. Currents are exact once its threads are quiet; peaks count what threads keep ready for themselves as in use.
#include <mutex>

#include "allocators/shared/heap.hpp"
#include "allocators/shared/locks.hpp"

namespace shmalloc {
namespace {

std::int64_t size_of(const Block &block) { return static_cast<std::int64_t>(block.size()); }

void add(shmalloc_stat *stat, std::int64_t current, std::int64_t peak, std::int64_t allocated, std::int64_t freed) {
  stat->current += current;
  stat->peak += std::max(peak, current);
  stat->allocated += allocated;
  stat->freed += freed;
}

}  // namespace

void Heap::hand_out(const Block &block, int sign) {
  const std::int64_t size = sign * size_of(block);
  out_[SHMALLOC_STAT_POOL_ALL].add(sign, size);
  out_[block.units != 0 ? SHMALLOC_STAT_POOL_LARGE : SHMALLOC_STAT_POOL_SMALL].add(sign, size);
}

void Heap::note_reserved() {
  std::uint64_t segments = 0;
  const auto bytes = static_cast<std::int64_t>(reserved_bytes(&segments));
  reserved_.add(static_cast<std::int64_t>(segments) - reserved_.blocks, bytes - reserved_.bytes);
}

void Heap::tell(trace::Action action, const Block &block, std::size_t size) const {
  const auto address = reinterpret_cast<std::uintptr_t>(block.arena->segment->data()) + block.offset;
  allocator_.recorder().note(action, address, size, 0, 0);
}

void Heap::lingers(const SharedMemory &memory, int sign) {
  const std::lock_guard lock(heaps_mutex());
  lingering_ += sign;
  lingering_blocks_ += sign * size_of(*memory.block);
  lingering_bytes_ += sign * static_cast<std::int64_t>(memory.size);
}

Heap::Live Heap::live() const {
  const HeapCounts now = counts();
  const std::lock_guard lock(heaps_mutex());
  return {now.live() - lingering_, now.requested_bytes - now.returned_bytes - lingering_bytes_};
}

void Heap::add_statistics(shmalloc_statistics *out) const {
  const HeapCounts now = counts();
  const std::lock_guard lock(heaps_mutex());
  // What is neither live nor free is pending: kept by exports, or held by others.
  for (int pool = 0; pool < 3; ++pool) {
    const auto pick = [pool](const std::int64_t(&of)[2]) { return pool == 0 ? of[0] + of[1] : of[pool - 1]; };
    const std::int64_t made = pick(now.allocations) - pick(before_.allocations);
    const std::int64_t gone = pick(now.frees) - pick(before_.frees);
    const std::int64_t made_bytes = pick(now.allocated_bytes) - pick(before_.allocated_bytes);
    const std::int64_t gone_bytes = pick(now.freed_bytes) - pick(before_.freed_bytes);
    const std::int64_t lingering = pool == SHMALLOC_STAT_POOL_SMALL ? 0 : lingering_;  // Told as large: it may be either.
    const std::int64_t lingering_blocks = pool == SHMALLOC_STAT_POOL_SMALL ? 0 : lingering_blocks_;
    const std::int64_t live = pick(now.allocations) - pick(now.frees);
    const std::int64_t live_bytes = pick(now.allocated_bytes) - pick(now.freed_bytes);
    const std::int64_t held = pool == SHMALLOC_STAT_POOL_SMALL ? 0 : limbo_out_.blocks;
    const std::int64_t held_bytes = pool == SHMALLOC_STAT_POOL_SMALL ? 0 : limbo_out_.bytes;
    add(&out->allocation[pool], live - lingering, out_[pool].peak_blocks, made, gone + lingering);
    add(&out->allocated_bytes[pool], live_bytes - lingering_blocks, out_[pool].peak_bytes, made_bytes,
        gone_bytes + lingering_blocks);
    add(&out->active[pool], live + held, out_[pool].peak_blocks, made, std::max<std::int64_t>(gone - held, 0));
    add(&out->active_bytes[pool], live_bytes + held_bytes, out_[pool].peak_bytes, made_bytes,
        std::max<std::int64_t>(gone_bytes - held_bytes, 0));
  }
  const std::int64_t requested = now.requested_bytes - now.returned_bytes - lingering_bytes_;
  for (const int pool : {SHMALLOC_STAT_POOL_ALL, SHMALLOC_STAT_POOL_LARGE}) {
    add(&out->requested_bytes[pool], requested, out_[SHMALLOC_STAT_POOL_ALL].peak_bytes,
        now.requested_bytes - before_.requested_bytes, now.returned_bytes - before_.returned_bytes + lingering_bytes_);
    std::uint64_t segments = 0;
    const auto bytes = static_cast<std::int64_t>(reserved_bytes(&segments));
    const auto count = static_cast<std::int64_t>(segments);
    add(&out->segment[pool], count, reserved_.peak_blocks, segments_made_, segments_ended_);
    add(&out->reserved_bytes[pool], bytes, reserved_.peak_bytes, reserved_.peak_bytes, reserved_.peak_bytes - bytes);
    const std::int64_t rest = bytes - out_[SHMALLOC_STAT_POOL_ALL].bytes;
    std::int64_t pieces = 0;
    for (const Arena *arena = arenas_; arena != nullptr; arena = arena->next) {
      for (std::uint32_t at = 0; at < arena->end;) {
        const Unit &unit = arena->units[at];
        if (unit.state == Unit::free) ++pieces;
        at += unit.state == Unit::free ? unit.length : unit.state == Unit::large ? static_cast<Block *>(unit.owner)->units : 1;
      }
    }
    add(&out->inactive_split[pool], pieces, pieces, 0, 0);
    add(&out->inactive_split_bytes[pool], std::max<std::int64_t>(rest, 0), 0, 0, 0);
  }
  add(&out->pending, lingering_ + limbo_out_.blocks, limbo_out_.peak_blocks, 0, 0);
  add(&out->pending_bytes, lingering_blocks_ + limbo_out_.bytes, limbo_out_.peak_bytes, 0, 0);
  out->num_alloc_retries += retries_;
  out->num_device_alloc += segments_made_;
  out->num_device_free += segments_ended_;
}

void Heap::reset_statistics(std::uint32_t what) {
  const HeapCounts now = counts();
  const std::lock_guard lock(heaps_mutex());
  if ((what & SHMALLOC_RESET_PEAKS) != 0) {
    for (Out *out : {&out_[0], &out_[1], &out_[2], &reserved_, &limbo_out_}) {
      out->peak_blocks = out->blocks;
      out->peak_bytes = out->bytes;
    }
  }
  if ((what & SHMALLOC_RESET_ACCUMULATED) != 0) {
    before_ = now;
    segments_made_ = segments_ended_ = retries_ = 0;
  }
}

void Heap::visit_segments(std::vector<trace::Segment> *segments) const {
  const std::lock_guard lock(heaps_mutex());
  for (const Arena *arena = arenas_; arena != nullptr; arena = arena->next) {
    const auto base = reinterpret_cast<std::uintptr_t>(arena->segment->data());
    trace::Segment segment{.address = base,
                           .size = std::uint64_t{arena->end} * classes::kUnit,
                           .stream = 0,
                           .pool = SHMALLOC_STAT_POOL_LARGE,
                           .expandable = true,
                           .name = arena->segment->name(),
                           .blocks = {}};
    const auto show = [&](const Block &block) {
      const SharedMemory *memory = block.memory.load(std::memory_order_acquire);
      const auto state = memory != nullptr                                ? trace::BlockState::active
                         : block.exported.load(std::memory_order_relaxed) ? trace::BlockState::pending
                                                                          : trace::BlockState::inactive;
      segment.blocks.push_back({base + block.offset, block.size(), memory != nullptr ? memory->size : 0, 0, state});
    };
    for (std::uint32_t at = 0; at < arena->end;) {
      const Unit &unit = arena->units[at];
      std::uint32_t length = 1;
      if (unit.state == Unit::large) {
        const auto &block = *static_cast<const Block *>(unit.owner);
        show(block);
        length = block.units;
      } else if (unit.state == Unit::slab) {
        auto *slab = static_cast<Slab *>(unit.owner);
        for (std::uint32_t i = 0; i < slab->count; ++i) show(slab->blocks()[i]);
        length = classes::kSlabUnits;
      } else if (unit.state == Unit::free) {
        length = unit.length;
        segment.blocks.push_back({base + at * classes::kUnit, length * classes::kUnit, 0, 0, trace::BlockState::inactive});
      }
      at += length;
    }
    segments->push_back(std::move(segment));
  }
}

}  // namespace shmalloc
