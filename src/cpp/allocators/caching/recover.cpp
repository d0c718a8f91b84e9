// What is done when nothing cached fits: a segment is made, old ones are collected, and when the device has no more, everything that can
// be had is tried in turn, until it is certain that there is nothing.
#include <new>

#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {

Result<Block *> BlockCache::make_segment(const Wanted &wanted, std::uint64_t size) {
  Segment *segment = nullptr;
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t most = limit();
    if (most != kUnlimited && (size > most || middle_.reserved > most - size))
      return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "a segment more would exceed the limit");
    segment = middle_.prepare(wanted.home, size, is_large(wanted.rounded));
    if (segment == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the table of a segment");
  }
  auto address = calls_.allocate(size);
  const std::lock_guard lock(mutex_);
  if (!address) {
    middle_.drop(segment);
    return address.error();
  }
  middle_.add(segment, *address);
  note(trace::Action::segment_alloc, *segment);
  middle_.take(segment->first, wanted.rounded);
  return hand_out(segment->first, wanted);
}

// With what threads keep of one home and this pool, or of all.
Block *BlockCache::look_again(const Wanted &wanted, const Home *reclaimed) {
  const std::lock_guard lock(mutex_);
  poll(wanted.own);
  reclaim(reclaimed, wanted.own, reclaimed != nullptr ? classes_of_pool(is_large(wanted.rounded)) : Classes{});
  return hand_out(find_free(wanted), wanted);
}

// As long as segments are to be had: whether one more is better than to merge what this thread keeps, and to take what others do. Two
// threads that use one block in turns would take it from each other for ever.
bool BlockCache::rather_grows(const Wanted &wanted) {
  if (wanted.own == nullptr || was_short_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex_);
  if (wanted.own->robbed >= kRobbedOften) {
    wanted.own->robbed = 0;
    return true;
  }
  if (is_large(wanted.rounded)) return false;
  std::uint64_t kept = 0;
  for (std::uint32_t i = 0; i < class_of(kSmall); ++i) kept += wanted.own->magazines[i].count * least_of(i);
  return kept < kKeptUnmerged;
}

Result<Block *> BlockCache::grow(const Wanted &wanted) {
  if (!rather_grows(wanted)) {
    if (Block *block = look_again(wanted, wanted.home); block != nullptr) return block;
  }
  const bool freed = memory_low(wanted);
  SHMALLOC_CHECK(ours());  // An observer may have forked.
  if (freed) {
    if (Block *block = look_again(wanted, wanted.home); block != nullptr) return block;
  }
  {
    const std::shared_lock growing(growing_);
    collect();
    auto made = make_segment(wanted, segment_size(wanted.rounded, settings().large_segment));
    if (made || made.error().status != SHMALLOC_STATUS_NO_MEMORY) return made;
  }
  {
    std::unique_lock growing(growing_, std::defer_lock);
    if (!mutant(42)) growing.lock();
    auto recovered = recover(wanted);
    if (recovered || recovered.error().status != SHMALLOC_STATUS_NO_MEMORY) return recovered;
  }
  return out_of_memory(wanted);
}

// ---- giving back ----

// All work that was queued is done. What is free since before the clock that is returned is used by nobody. `mistake`: of mutant.hpp.
Result<std::uint64_t> BlockCache::wait_for_device([[maybe_unused]] int mistake) {
  std::uint64_t since = 0;
  std::uint64_t newest = 0;
  {
    const std::lock_guard lock(mutex_);
    reclaim(nullptr, nullptr);
    since = ++middle_.clock;
    newest = uses_.newest();
  }
  if (!mutant(mistake)) SHMALLOC_CHECK(calls_.synchronize());
  const std::lock_guard lock(mutex_);
  ++waits_;
  ready(uses_.finish(newest), nullptr);
  return since;
}

// Chosen segments among those that are free since before that. How many bytes.
template <class Choose>
std::uint64_t BlockCache::release(std::uint64_t since, Choose choose) {
  Segment *chain = nullptr;
  {
    const std::lock_guard lock(mutex_);
    chain = middle_.detach(since, choose);
    for (const Segment *segment = chain; segment != nullptr; segment = segment->next) note(trace::Action::segment_free, *segment);
  }
  std::uint64_t released = 0;
  while (chain != nullptr) {
    Segment *segment = chain;
    chain = segment->next;
    const bool freed = static_cast<bool>(calls_.free(segment->address));
    const std::lock_guard lock(mutex_);
    if (freed) {
      released += segment->size;
      middle_.forget(segment);
    } else {
      middle_.attach(segment);
      note(trace::Action::segment_alloc, *segment);
    }
  }
  return released;
}

// Above the threshold large segments go that were free for longer than the others on average, until enough is gone or none is left.
void BlockCache::collect() {
  std::uint64_t over = 0;
  {
    const std::lock_guard lock(mutex_);
    const double threshold = middle_.settings.collect_from;
    if (threshold <= 0 || limit_known() == 0) return;
    const auto from = static_cast<std::uint64_t>(threshold * static_cast<double>(limit_known()));
    if (middle_.reserved <= from || (capturing() && !mutant(51))) return;
    over = middle_.reserved - from;
    reclaim(nullptr, nullptr);
    const Segment *any = middle_.segments();
    while (any != nullptr && (any->large == 0 || !Middle::is_free(*any))) any = any->next;
    if (any == nullptr) return;
  }
  auto waited = wait_for_device(61);
  if (!waited) return;  // A stream that we don't know is captured; and what else is wrong, the call tells that this is for.
  const std::uint64_t since = *waited;
  for (std::uint64_t released = 1; released != 0 && over > 0;) {
    std::uint64_t now = 0;
    std::uint64_t ages = 0;
    std::uint64_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      now = middle_.clock;
      for (const Segment *at = middle_.segments(); at != nullptr; at = at->next) {
        if (at->large == 0 || !Middle::is_free(*at, since)) continue;
        ages += now - at->first->freed_at;
        ++count;
      }
    }
    if (count == 0) break;
    std::uint64_t chosen = 0;
    released = release(since, [&](const Segment &segment) {
      if (segment.large == 0 || chosen >= over || segment.first->freed_at > now) return false;
      if (now - segment.first->freed_at < ages / count) return false;
      chosen += segment.size;
      return true;
    });
    over -= std::min(over, released);
  }
}

// Of this stream: the smallest oversize segment that would do, or as many as together would.
std::uint64_t BlockCache::release_oversize(const Wanted &wanted, std::uint64_t since) {
  std::uint64_t best = kUnlimited;
  std::uint64_t least = 0;
  const auto is_candidate = [&](const Segment &segment) {
    return segment.home == wanted.home && segment.size >= least && Middle::is_free(segment, since);
  };
  {
    const std::lock_guard lock(mutex_);
    least = middle_.settings.max_split;
    for (const Segment *at = middle_.segments(); at != nullptr; at = at->next) {
      if (is_candidate(*at) && at->size >= wanted.rounded) best = std::min(best, at->size);
    }
  }
  std::uint64_t chosen = 0;
  return release(since, [&](const Segment &segment) {
    if (!is_candidate(segment) || chosen >= wanted.rounded || (best != kUnlimited && segment.size != best)) return false;
    chosen += segment.size;
    return true;
  });
}

Result<std::uint64_t> BlockCache::empty_cache() {
  SHMALLOC_CHECK(ours());
  const std::unique_lock growing(growing_);
  {
    const std::lock_guard lock(mutex_);
    if (capturing() && !mutant(50))
      return fail(SHMALLOC_STATUS_BUSY, 0, "nothing can be given back to the device while a stream is captured");
  }
  SHMALLOC_TRY(since, wait_for_device(60));
  return release(since, [](const Segment & /*segment*/) { return true; });
}

// ---- out of memory ----

// The last way out: a block that the rules would keep for others. Of this stream whatever fits; of another stream only what nobody uses
// (`since`), and then it goes home when this stream is done with it.
Block *BlockCache::borrow(const Wanted &wanted, std::uint64_t since) {
  const std::lock_guard lock(mutex_);
  poll(nullptr);
  reclaim(nullptr, wanted.own);
  Block *found = nullptr;
  for (int large = 0; large < 2 && found == nullptr; ++large) found = wanted.home->bins[large].find(wanted.rounded, kUnlimited);
  if (found != nullptr) {
    middle_.take(found, wanted.rounded);
    return hand_out(found, wanted);
  }
  for (const Home *home = middle_.homes(); home != nullptr && since != 0; home = home->next) {
    if (home == wanted.home) continue;
    for (const Bins &bins : home->bins) {
      for (std::uint32_t i = bins.next(class_of(wanted.rounded)); i != Bins::kNone; i = bins.next(i + 1)) {
        Block *block = bins.first(i);
        while (block != nullptr && (block->size < wanted.rounded || (block->freed_at >= since && !mutant(59))))
          block = block->next_free;
        if (block == nullptr) continue;
        middle_.take(block, wanted.rounded);
        if (!mutant(39) && !uses_.add(block, wanted.stream)) {
          middle_.give(block, block->freed_at);
          return nullptr;
        }
        return hand_out(block, wanted);
      }
    }
  }
  return nullptr;
}

// With growing_, exclusively.
Result<Block *> BlockCache::recover(const Wanted &wanted) {
  was_short_.store(true, std::memory_order_relaxed);
  if (Block *block = look_again(wanted, nullptr); block != nullptr) return block;
  const Settings settings = this->settings();
  const std::uint64_t size = segment_size(wanted.rounded, settings.large_segment);
  std::uint64_t since = 0;
  bool captured = false;
  {
    const std::lock_guard lock(mutex_);
    captured = capturing() && !mutant(49);
  }
  const auto final = [](const Result<Block *> &made) { return made || made.error().status != SHMALLOC_STATUS_NO_MEMORY; };
  if (!captured) {
    auto waited = wait_for_device(34);
    if (!waited && waited.error().status != SHMALLOC_STATUS_BUSY) return waited.error();
    captured = !waited;  // A stream that we don't know of.
    since = waited ? *waited : 0;
  }
  if (!captured) {
    if (Block *block = look_again(wanted, nullptr); block != nullptr) return block;
    if (settings.max_split != kUnlimited && release_oversize(wanted, since) > 0) {
      if (auto made = make_segment(wanted, size); final(made)) return made;
    }
    release(since, [](const Segment & /*segment*/) { return true; });
    {
      const std::lock_guard lock(mutex_);
      ++retries_;
    }
    if (Block *block = look_again(wanted, nullptr); block != nullptr) return block;
    if (auto made = make_segment(wanted, size); final(made)) return made;
  }
  if (const std::uint64_t smallest = smallest_segment(wanted.rounded); smallest < size) {
    if (auto made = make_segment(wanted, smallest); final(made)) return made;
  }
  if (Block *block = borrow(wanted, since); block != nullptr) return block;
  return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "nothing is left to be tried");
}

}  // namespace shmalloc::caching
