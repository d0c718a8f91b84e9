// What observers hear of: memory is low, and memory is out.
#include <new>

#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {

OutOfMemory BlockCache::facts(const Wanted &wanted) {
  OutOfMemory facts;
  if (auto info = calls_.memory_info()) {
    facts.available = info->available;
    facts.available_known = info->available != UINT64_MAX;
  }
  const std::lock_guard lock(mutex_);
  const shmalloc_statistics &numbers = middle_.numbers;
  const Counts now = counts();
  facts.requested = wanted.size;
  facts.rounded = wanted.rounded;
  facts.stream = wanted.stream;
  facts.total = description_.total;
  facts.limit = limit_known();
  facts.fraction = middle_.settings.fraction;
  facts.max_split = middle_.settings.max_split;
  facts.reserved = middle_.reserved;
  facts.at_limit = limit() != kUnlimited && middle_.reserved + smallest_segment(wanted.rounded) > limit();
  facts.pending = static_cast<std::uint64_t>(numbers.pending_bytes.current);
  facts.in_capture = capturing();
  for (int large = 0; large < 2; ++large) {
    const int pool = large != 0 ? SHMALLOC_STAT_POOL_LARGE : SHMALLOC_STAT_POOL_SMALL;
    facts.allocated += static_cast<std::uint64_t>(now.allocated[large] - now.freed[large]);
    facts.asked_for += static_cast<std::uint64_t>(now.requested[large] - now.returned[large]);
    facts.pools[large].segments = static_cast<std::uint64_t>(numbers.segment[pool].current);
    facts.pools[large].reserved = static_cast<std::uint64_t>(numbers.reserved_bytes[pool].current);
    facts.pools[large].active = static_cast<std::uint64_t>(numbers.active_bytes[pool].current);
    for (const Home *home = middle_.homes(); home != nullptr; home = home->next)
      facts.pools[large].largest_free = std::max(facts.pools[large].largest_free, home->bins[large].largest());
  }
  return facts;
}

bool BlockCache::tell(shmalloc_notice_flags kind, const OutOfMemory &facts, const char *report) {
  shmalloc_notice notice = {};
  notice.struct_size = sizeof notice;
  notice.report = report;
  notice.device = device_;
  notice.allocator_id = allocator_id_;
  notice.stream = facts.stream;
  notice.requested = facts.requested;
  notice.rounded = facts.rounded;
  notice.total = facts.total;
  notice.available = facts.available_known ? facts.available : UINT64_MAX;
  notice.limit = facts.limit;
  notice.reserved = facts.reserved;
  notice.allocated = facts.allocated;
  notice.pending = facts.pending;
  notice.largest_free = facts.largest_free();
  notice.kind = kind;
  notice.fragmentation = static_cast<std::uint32_t>(facts.fragmentation());
  return observers_.tell(notice);
}

// Whether somebody gave memory back.
bool BlockCache::memory_low(const Wanted &wanted) {
  return observers_.hears(SHMALLOC_NOTICE_MEMORY_LOW) && tell(SHMALLOC_NOTICE_MEMORY_LOW, facts(wanted), "");
}

Error BlockCache::out_of_memory(const Wanted &wanted) {
  const OutOfMemory facts = this->facts(wanted);
  {
    const std::lock_guard lock(mutex_);
    ++ooms_;
    note(trace::Action::oom, facts.available, wanted.size, wanted.stream);
  }
  if (observers_.hears(SHMALLOC_NOTICE_OUT_OF_MEMORY)) {
    std::string text;
    try {
      text = report_of(facts, description_.name);
    } catch (const std::bad_alloc &) {
      text.clear();
    }
    tell(SHMALLOC_NOTICE_OUT_OF_MEMORY, facts, text.c_str());
  }
  return error_of(facts);
}

}  // namespace shmalloc::caching
