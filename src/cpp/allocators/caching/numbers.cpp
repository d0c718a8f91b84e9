// What the allocator tells of itself.
//
// Live blocks are counted by the threads. The peak of their bytes is found from what each thread had at most since that was last noted:
// noted before anything else changes, so the sum is never less than what there was at one time, and just that with one thread.
#include <cstring>

#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {
namespace {

constexpr int kPools[] = {SHMALLOC_STAT_POOL_SMALL, SHMALLOC_STAT_POOL_LARGE};  // by `large`

template <class Of>
std::int64_t pick(int pool, const Of (&of)[2]) {
  return pool == SHMALLOC_STAT_POOL_ALL ? of[0] + of[1] : of[pool == SHMALLOC_STAT_POOL_LARGE ? 1 : 0];
}

shmalloc_stat stat(std::int64_t current, std::int64_t peak, std::int64_t allocated, std::int64_t freed) {
  return {current, std::max(current, peak), allocated, freed};
}

template <class Function>
void each_stat(shmalloc_statistics *numbers, Function function) {
  for (auto *array : {&numbers->segment, &numbers->active, &numbers->inactive_split, &numbers->reserved_bytes,
                      &numbers->active_bytes, &numbers->inactive_split_bytes}) {
    for (shmalloc_stat &of : *array) function(&of);
  }
  for (auto *of : {&numbers->oversize_allocations, &numbers->oversize_segments, &numbers->pending, &numbers->pending_bytes})
    function(of);
}

}  // namespace

Counts BlockCache::counts() const {
  Counts sum = ended_;
  for (const ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_owner) cache->add_to(&sum);
  return sum;
}

Live BlockCache::live() const {
  const std::lock_guard lock(mutex_);
  const Counts now = counts();
  Live live;
  for (int large = 0; large < 2; ++large) {
    live.blocks += now.allocations[large] - now.frees[large];
    live.bytes += now.allocated[large] - now.freed[large];
    live.requested += now.requested[large] - now.returned[large];
  }
  return live;
}

void BlockCache::note_peaks() {
  const auto is_new = [this](int pool) { return middle_.numbers.active_bytes[pool].current > allocated_peak_[pool]; };
  if (!is_new(SHMALLOC_STAT_POOL_ALL) && !is_new(SHMALLOC_STAT_POOL_SMALL) && !is_new(SHMALLOC_STAT_POOL_LARGE)) return;
  std::int64_t most[3] = {};
  for (int large = 0; large < 2; ++large) {
    most[kPools[large]] = ended_.allocated[large] - ended_.freed[large];
    most[SHMALLOC_STAT_POOL_ALL] += most[kPools[large]];
  }
  for (const ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_owner) {
    most[SHMALLOC_STAT_POOL_ALL] += cache->peak.load(std::memory_order_relaxed);
    for (int large = 0; large < 2; ++large) most[kPools[large]] += cache->pools[large].peak.load(std::memory_order_relaxed);
  }
  for (int pool = 0; pool < 3; ++pool) {
    allocated_peak_[pool] = std::max(allocated_peak_[pool], most[pool]);
    active_peak_[pool] = std::max(active_peak_[pool], most[pool] + pick(pool, pending_.bytes));
  }
}

// All that is in no bin and does not wait, users may have had at once: they are told from what threads keep by no number.
void BlockCache::note_blocks() {
  for (int pool = 0; pool < 3; ++pool)
    blocks_peak_[pool] = std::max(blocks_peak_[pool], middle_.numbers.active[pool].current - pick(pool, pending_.blocks));
}

void BlockCache::count(ThreadCache *own, const Block &block, int sign) {
  note_peaks();
  if (sign > 0) note_blocks();
  const int large = block.large;
  if (own != nullptr && sign > 0) {
    own->forget_peaks();
    own->count_in(block);
  } else if (own != nullptr) {
    own->count_out(block);
    own->forget_peaks();
  } else {
    (sign > 0 ? ended_.allocations : ended_.frees)[large] += 1;
    (sign > 0 ? ended_.allocated : ended_.freed)[large] += static_cast<std::int64_t>(block.size);
    (sign > 0 ? ended_.requested : ended_.returned)[large] += static_cast<std::int64_t>(block.requested);
  }
}

void BlockCache::statistics(shmalloc_statistics *out) {
  const std::lock_guard lock(mutex_);
  note_peaks();
  const Counts now = counts();
  const std::size_t struct_size = out->struct_size;
  *out = middle_.numbers;
  out->struct_size = struct_size;
  for (int pool = 0; pool < 3; ++pool) {
    const std::int64_t made = pick(pool, now.allocations) - pick(pool, before_.allocations);
    const std::int64_t gone = pick(pool, now.frees) - pick(pool, before_.frees);
    const std::int64_t made_bytes = pick(pool, now.allocated) - pick(pool, before_.allocated);
    const std::int64_t gone_bytes = pick(pool, now.freed) - pick(pool, before_.freed);
    const std::int64_t live = pick(pool, now.allocations) - pick(pool, now.frees);
    const std::int64_t live_bytes = pick(pool, now.allocated) - pick(pool, now.freed);
    const std::int64_t pending = pick(pool, pending_.blocks);
    const std::int64_t pending_bytes = pick(pool, pending_.bytes);
    out->allocation[pool] = stat(live, blocks_peak_[pool], made, gone);
    out->active[pool] =
        stat(live + pending, middle_.numbers.active[pool].peak, made, gone - pending + pick(pool, pending_before_.blocks));
    out->allocated_bytes[pool] = stat(live_bytes, allocated_peak_[pool], made_bytes, gone_bytes);
    out->active_bytes[pool] = stat(live_bytes + pending_bytes, active_peak_[pool], made_bytes,
                                   gone_bytes - pending_bytes + pick(pool, pending_before_.bytes));
    out->requested_bytes[pool] =
        stat(pick(pool, now.requested) - pick(pool, now.returned), allocated_peak_[pool],
             pick(pool, now.requested) - pick(pool, before_.requested), pick(pool, now.returned) - pick(pool, before_.returned));
  }
  out->num_alloc_retries = retries_;
  out->num_ooms = ooms_;
  out->num_sync_all_streams = waits_;
  out->num_device_alloc = out->segment[SHMALLOC_STAT_POOL_ALL].allocated;
  out->num_device_free = out->segment[SHMALLOC_STAT_POOL_ALL].freed;
  out->max_split_size = middle_.settings.max_split == kUnlimited ? -1 : static_cast<std::int64_t>(middle_.settings.max_split);
}

void BlockCache::reset_statistics(std::uint32_t what) {
  if (what == 0) what = SHMALLOC_RESET_PEAKS | SHMALLOC_RESET_ACCUMULATED;
  const std::lock_guard lock(mutex_);
  const Stopped stopped(caches_, nullptr, nullptr);
  if ((what & SHMALLOC_RESET_PEAKS) != 0) {
    each_stat(&middle_.numbers, [](shmalloc_stat *of) { of->peak = of->current; });
    for (ThreadCache *cache = caches_; cache != nullptr && stopped.all(); cache = cache->next_of_owner) cache->forget_peaks();
    const Counts now = counts();
    for (int pool = 0; pool < 3; ++pool) {
      allocated_peak_[pool] = pick(pool, now.allocated) - pick(pool, now.freed);
      active_peak_[pool] = allocated_peak_[pool] + pick(pool, pending_.bytes);
      blocks_peak_[pool] = 0;
    }
    note_blocks();
  }
  if ((what & SHMALLOC_RESET_ACCUMULATED) != 0) {
    each_stat(&middle_.numbers, [](shmalloc_stat *of) { of->allocated = of->freed = 0; });
    before_ = counts();
    pending_before_ = pending_;
    retries_ = ooms_ = waits_ = 0;
  }
}

Result<CacheInfo> BlockCache::cache_info() {
  SHMALLOC_CHECK(ours());
  SHMALLOC_TRY(device, calls_.memory_info());
  CacheInfo info{.largest = device.available, .available = device.available, .total = device.total};
  const std::lock_guard lock(mutex_);
  poll(nullptr);
  reclaim(nullptr, nullptr);
  for (const Home *home = middle_.homes(); home != nullptr; home = home->next) {
    for (const Bins &bins : home->bins) info.largest = std::max(info.largest, bins.largest());
  }
  const auto in_use = static_cast<std::uint64_t>(middle_.numbers.active_bytes[SHMALLOC_STAT_POOL_ALL].current);
  info.cached = static_cast<std::uint64_t>(middle_.numbers.reserved_bytes[SHMALLOC_STAT_POOL_ALL].current) - in_use;
  return info;
}

}  // namespace shmalloc::caching
