#include "trace/statistics.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace shmalloc::trace {

void Counter::reset_peak() {
  peak_.store(current_.load());
  // Who added between our look and our store may have raised the old peak. In the one order of all these operations either his add comes
  // before this look, or he raises the new peak himself.
  raise_peak(current_.load());
}

void Counter::reset_accumulated() {
  const std::int64_t freed = freed_.load(std::memory_order_relaxed);
  freed_before_.store(freed, std::memory_order_relaxed);
  allocated_before_.store(current_.load(std::memory_order_relaxed) + freed, std::memory_order_relaxed);
}

shmalloc_stat Counter::read() const {
  const std::int64_t freed = freed_.load(std::memory_order_relaxed);
  const std::int64_t current = current_.load();
  return {current, std::max(peak_.load(), current), current + freed - allocated_before_.load(std::memory_order_relaxed),
          freed - freed_before_.load(std::memory_order_relaxed)};
}

void Statistics::fill(shmalloc_statistics *out, bool one_segment_a_block) const {
  shmalloc_stat *const arrays[] = {out->allocation,      out->segment,        out->active,       out->inactive_split,
                                   out->allocated_bytes, out->reserved_bytes, out->active_bytes, out->inactive_split_bytes,
                                   out->requested_bytes};
  static_assert(std::size(arrays) == kQuantities);
  for (int quantity = 0; quantity < kQuantities; ++quantity) {
    for (int pool = 0; pool < kPools; ++pool) arrays[quantity][pool] = arrays_[quantity][pool].read();
    // Each was counted as freed in its pool only.
    const shmalloc_stat &small = arrays[quantity][SHMALLOC_STAT_POOL_SMALL];
    const shmalloc_stat &large = arrays[quantity][SHMALLOC_STAT_POOL_LARGE];
    shmalloc_stat &all = arrays[quantity][SHMALLOC_STAT_POOL_ALL];
    all.allocated = small.allocated + large.allocated;
    all.freed = small.freed + large.freed;
  }
  if (one_segment_a_block) {
    std::memcpy(out->segment, out->active, sizeof out->segment);
    std::memcpy(out->reserved_bytes, out->active_bytes, sizeof out->reserved_bytes);
  }
  out->oversize_allocations = oversize_allocations.read();
  out->oversize_segments = oversize_segments.read();
  out->pending = pending.read();
  out->pending_bytes = pending_bytes.read();
  out->num_alloc_retries = retries.load(std::memory_order_relaxed);
  out->num_ooms = ooms.load(std::memory_order_relaxed);
  out->num_device_alloc = out->segment[SHMALLOC_STAT_POOL_ALL].allocated;
  out->num_device_free = out->segment[SHMALLOC_STAT_POOL_ALL].freed;
  out->max_split_size = -1;
}

void Statistics::reset(std::uint32_t what) {
  if ((what & SHMALLOC_RESET_PEAKS) != 0) each(*this, [](Counter &counter) { counter.reset_peak(); });
  if ((what & SHMALLOC_RESET_ACCUMULATED) == 0) return;
  each(*this, [](Counter &counter) { counter.reset_accumulated(); });
  retries.store(0, std::memory_order_relaxed);
  ooms.store(0, std::memory_order_relaxed);
}

}  // namespace shmalloc::trace
