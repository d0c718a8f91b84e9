// What there is at one moment, and what is noted of what happens.
#include <algorithm>

#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {
namespace {

trace::Block block_of(const Block &block) {
  trace::Block seen;
  seen.address = block.address;
  seen.size = block.size;
  if (block.state == State::pending) {
    seen.state = trace::BlockState::pending;
  } else if (block.state == State::free || !block.live.load(std::memory_order_relaxed)) {
    seen.state = trace::BlockState::inactive;  // in a bin, or kept ready by a thread
    return seen;
  }
  seen.requested = block.requested;
  return seen;
}

}  // namespace

void BlockCache::survey(std::vector<trace::Segment> *segments, trace::Recorded *history) {
  std::vector<trace::Segment> found;
  {
    const std::lock_guard lock(mutex_);
    const Stopped stopped(caches_, nullptr, nullptr);
    for (const Segment *segment = middle_.segments(); segment != nullptr; segment = segment->next) {
      trace::Segment &seen = found.emplace_back();
      seen.address = segment->address;
      seen.size = segment->size;
      seen.stream = segment->home->stream;
      seen.pool = segment->large != 0 ? SHMALLOC_STAT_POOL_LARGE : SHMALLOC_STAT_POOL_SMALL;
      for (const Block *block = segment->first; block != nullptr; block = block->next) seen.blocks.push_back(block_of(*block));
    }
    if (history != nullptr) *history = recorder_ != nullptr ? recorder_->history.copy() : trace::Recorded();
  }
  std::sort(found.begin(), found.end(),
            [](const trace::Segment &one, const trace::Segment &other) { return one.address < other.address; });
  if (segments->empty()) {
    segments->swap(found);
  } else {
    segments->insert(segments->end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
}

// Threads that are stopped note all they do; so nobody looks for the switch on the common path.
void BlockCache::set_tracing(bool on) {
  const std::lock_guard lock(mutex_);
  if (recorder_ == nullptr || on == tracing_) return;
  const Stopped stopped(caches_, nullptr, nullptr);
  for (ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_owner) {
    if (on) {
      cache->hold();
    } else {
      cache->let_go();
    }
  }
  tracing_ = on;
}

void BlockCache::note(trace::Action action, Address address, std::uint64_t size, Stream stream) const {
  if (tracing_) recorder_->note(action, address, size, stream, 0);
}

}  // namespace shmalloc::caching
