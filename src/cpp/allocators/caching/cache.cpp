#include "allocators/caching/cache.hpp"

#include <new>

namespace shmalloc::caching {
namespace {

constinit std::atomic<std::uint64_t> next_id{1};
constexpr int kLooks = 8;  // at blocks that a thread keeps, for one of just the size

}  // namespace

BlockCache::BlockCache(Calls &calls)
    : calls_(calls), id_(next_id.fetch_add(1, std::memory_order_relaxed)), description_(calls.describe()), uses_(calls) {}

BlockCache::~BlockCache() {
  disown_caches(&caches_);
  if (middle_.segments() != nullptr) static_cast<void>(calls_.synchronize());
  for (const Segment *segment = middle_.segments(); segment != nullptr; segment = segment->next)
    static_cast<void>(calls_.free(segment->address));
}

// ---- threads ----

ThreadCache *BlockCache::cache(Stream stream) {
  if (ThreadCache *found = existing_cache(id_, stream); found != nullptr) return found;
  Home *home = nullptr;
  {
    const std::lock_guard lock(mutex_);
    home = middle_.home(stream);
  }
  return home != nullptr ? make_cache(this, id_, home) : nullptr;
}

void BlockCache::begin_cache(ThreadCache *cache) {
  const std::lock_guard lock(mutex_);
  cache->next_of_owner = caches_;
  if (caches_ != nullptr) caches_->previous_of_owner = cache;
  caches_ = cache;
}

void BlockCache::end_cache(ThreadCache *cache) {
  const std::lock_guard lock(mutex_);
  note_peaks();
  flush_all(cache);
  cache->add_to(&ended_);
  if (cache->next_of_owner != nullptr) cache->next_of_owner->previous_of_owner = cache->previous_of_owner;
  (cache->previous_of_owner != nullptr ? cache->previous_of_owner->next_of_owner : caches_) = cache->next_of_owner;
}

void BlockCache::flush(ThreadCache *cache, std::uint32_t index, std::uint32_t keep) {
  while (cache->magazines[index].count > keep) middle_.give(cache->pop(index));
}

void BlockCache::flush_all(ThreadCache *cache) {
  for (std::uint32_t i = 0; i < kKeptClasses; ++i) flush(cache, i, 0);
}

// What threads keep of one home, or of all. `own` is this thread's, if it has one.
void BlockCache::reclaim(const Home *home, ThreadCache *own) {
  const Stopped stopped(caches_, home, own);
  for (ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_owner) {
    if (cache == own || (stopped.all() && (home == nullptr || cache->home == home))) flush_all(cache);
  }
}

// ---- allocate and free ----

// A block that is in no bin; NULL.
Block *BlockCache::find_free(const Wanted &wanted) {
  ++middle_.clock;
  const std::uint32_t index = class_of(wanted.rounded);
  if (wanted.own != nullptr && index < kKeptClasses) {  // The common path only looks at the first.
    ThreadCache::Magazine &magazine = wanted.own->magazines[index];
    int looks = kLooks;
    for (Block **link = &magazine.first; *link != nullptr && looks > 0; link = &(*link)->next_free, --looks) {
      Block *block = *link;
      if (block->size != wanted.rounded) continue;
      *link = block->next_free;
      --magazine.count;
      return block;
    }
  }
  Block *block = wanted.home->bins[is_large(wanted.rounded)].find(wanted.rounded, middle_.limit_of(wanted.rounded));
  if (block != nullptr) middle_.take(block, wanted.rounded);
  return block;
}

Block *BlockCache::hand_out(Block *block, const Wanted &wanted) {
  if (block == nullptr) return nullptr;
  begin(block, wanted.size);
  count(wanted.own, *block, 1);
  return block;
}

Result<Block *> BlockCache::allocate_slowly(std::uint64_t size, Stream stream) {
  if (size == 0) return nullptr;
  if (size >= kMost) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no device has %llu bytes", static_cast<unsigned long long>(size));
  Wanted wanted{.size = size, .rounded = 0, .stream = stream};
  wanted.own = cache(stream);
  {
    const std::lock_guard lock(mutex_);
    wanted.home = middle_.home(stream);
    if (wanted.home == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the lists of a stream");
    wanted.rounded = middle_.settings.divisions.round(size);
    poll();
    if (Block *block = hand_out(find_free(wanted), wanted); block != nullptr) return block;
  }
  return grow(wanted);
}

Result<void> BlockCache::free_slowly(Block *block) {
  if (block == nullptr) return {};
  ThreadCache *own = cache(block->stream);
  const std::lock_guard lock(mutex_);
  if (!block->live.load(std::memory_order_relaxed))
    return fail(SHMALLOC_STATUS_INVALID, 0, "the block at %#llx is not in use: it was freed before",
                static_cast<unsigned long long>(block->address));
  block->live.store(false, std::memory_order_relaxed);
  count(own, *block, -1);
  if (block->uses != nullptr) {
    wait_for_uses(block);
  } else if (own == nullptr || block->special || block->index >= kKeptClasses) {
    middle_.give(block);
  } else {
    const std::uint32_t most = kKeep.of[block->index];
    if (own->magazines[block->index].count >= most) flush(own, block->index, most / 2);
    own->push(block);
  }
  return {};
}

Result<Block *> BlockCache::find(Address address) {
  const std::lock_guard lock(mutex_);
  Block *block = lookup_.find(middle_.segments(), address);
  if (block == nullptr || !block->live.load(std::memory_order_relaxed))
    return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no block in use begins at %#llx", static_cast<unsigned long long>(address));
  return block;
}

// ---- other streams ----

Result<void> BlockCache::record_stream(Block *block, Stream stream) {
  if (block == nullptr || stream == block->stream) return {};
  const std::lock_guard lock(mutex_);
  return uses_.add(block, stream);
}

bool BlockCache::capturing() {
  if (captures_.load(std::memory_order_relaxed) > 0) return true;
  if (!description_.captures) return false;
  for (const Home *home = middle_.homes(); home != nullptr; home = home->next) {
    auto captured = calls_.capturing(home->stream);
    if (captured && *captured) return true;
  }
  return uses_.capturing();
}

void BlockCache::wait_for_uses(Block *block) {
  if (mutant(32)) {
    block->uses = nullptr;
    middle_.give(block);
    return;
  }
  block->state = State::pending;
  block->freed_at = middle_.clock;
  const int large = block->large;
  ++pending_.blocks[large];
  pending_.bytes[large] += static_cast<std::int64_t>(block->size);
  add_to(&middle_.numbers.pending, 1);
  add_to(&middle_.numbers.pending_bytes, block->size);
  uses_.start(block, capturing());
}

void BlockCache::ready(Block *chain) {
  if (chain != nullptr) note_peaks();
  while (chain != nullptr) {
    Block *block = chain;
    chain = block->next_free;
    --pending_.blocks[block->large];
    pending_.bytes[block->large] -= static_cast<std::int64_t>(block->size);
    take_from(&middle_.numbers.pending, 1);
    take_from(&middle_.numbers.pending_bytes, block->size);
    middle_.give(block, block->freed_at);
  }
}

void BlockCache::poll() {
  if (!uses_.any() || (capturing() && !mutant(36))) return;
  ready(uses_.poll());
}

// ---- settings ----

Result<void> BlockCache::configure(std::string_view text) {
  try {
    const std::lock_guard lock(mutex_);
    SHMALLOC_TRY(changed, parse(middle_.settings, text));
    middle_.settings = changed;
    divisions_.store(changed.divisions.word(), std::memory_order_relaxed);
    return {};
  } catch (const std::bad_alloc &) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to read the settings");
  }
}

Settings BlockCache::settings() {
  const std::lock_guard lock(mutex_);
  return middle_.settings;
}

Result<void> BlockCache::set_memory_fraction(double fraction) {
  if (!(fraction >= 0 && fraction <= 1)) return fail(SHMALLOC_STATUS_INVALID, 0, "a fraction is from 0 to 1, not %g", fraction);
  const std::lock_guard lock(mutex_);
  middle_.settings.fraction = fraction;
  return {};
}

std::uint64_t BlockCache::limit() const {
  const double fraction = middle_.settings.fraction;
  return fraction < 1 ? static_cast<std::uint64_t>(fraction * static_cast<double>(description_.total)) : kUnlimited;
}

std::uint64_t BlockCache::limit_known() const { return std::min(limit(), description_.total); }

Result<void> BlockCache::add_free_callback(FreeCallback callback, void *userdata) {
  const std::lock_guard lock(mutex_);
  if (callbacks_.count == kMostCallbacks)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "there are %zu callbacks already", kMostCallbacks);
  callbacks_.of[callbacks_.count++] = {callback, userdata};
  return {};
}

Result<void> BlockCache::add_observer(Observer observer, void *userdata) {
  const std::lock_guard lock(mutex_);
  if (observers_.count == kMostCallbacks)
    return fail(SHMALLOC_STATUS_NO_SPACE, 0, "there are %zu observers already", kMostCallbacks);
  observers_.of[observers_.count++] = {observer, userdata};
  return {};
}

}  // namespace shmalloc::caching
