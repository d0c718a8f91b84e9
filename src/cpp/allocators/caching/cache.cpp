#include "allocators/caching/cache.hpp"

#include <new>

#include "base/log.hpp"

namespace shmalloc::caching {
namespace {

constinit std::atomic<std::uint64_t> next_id{1};
constexpr int kLooks = 8;  // at blocks that a thread keeps, for one that serves

Error not_found(Address address) {
  return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no block in use begins at %#llx", static_cast<unsigned long long>(address));
}

}  // namespace

BlockCache::BlockCache(Calls &calls)
    : calls_(calls), id_(next_id.fetch_add(1, std::memory_order_relaxed)), description_(calls.describe()), uses_(calls) {
  enlist();
}

// What the wait was short of may be there the second time; there is no later one. False: the device may still use what there is.
bool BlockCache::wait_at_the_end() {
  for (int tries = 1;; ++tries) {
    const auto waited = calls_.synchronize();
    if (waited) return true;
    if (tries < 2) continue;
    log(SHMALLOC_LOG_LEVEL_WARNING,
        "%llu bytes of a device stay reserved: their allocator ends, and the device can't be waited for: %s",
        static_cast<unsigned long long>(middle_.reserved), waited.error().message);
    return false;
  }
}

BlockCache::~BlockCache() {
  delist();
  if (inherited()) {
    uses_.leave_events();
    return;
  }
  if (middle_.segments() != nullptr && !mutant(62) && !wait_at_the_end()) {
    uses_.leave_events();
    observers_.end();
    return;
  }
  for (const Segment *segment = middle_.segments(); segment != nullptr; segment = segment->next)
    static_cast<void>(calls_.free(segment->address));
  observers_.end();
}

void BlockCache::introduce(shmalloc_device device, std::uint64_t allocator_id, trace::Recorder *recorder) {
  device_ = device;
  allocator_id_ = allocator_id;
  recorder_ = recorder;
}

// ---- threads ----

ThreadCache *BlockCache::cache(Stream stream) {
  if (inherited()) return nullptr;
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
  if (tracing_) cache->hold();
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

// Whether there was anything.
bool BlockCache::flush_all(ThreadCache *cache, Classes classes) {
  bool any = false;
  for (std::uint32_t i = classes.from; i < classes.to; ++i) {
    any = any || cache->magazines[i].count > 0;
    flush(cache, i, 0);
  }
  return any;
}

// What threads keep of one home, or of all. `own` is this thread's, if it has one.
void BlockCache::reclaim(const Home *home, ThreadCache *own, Classes classes) {
  const Stopped stopped(caches_, home, own);
  note_peaks();
  for (ThreadCache *cache = caches_; cache != nullptr; cache = cache->next_of_owner) {
    if (cache != own && (!stopped.all() || (home != nullptr && cache->home != home))) continue;
    if (flush_all(cache, classes) && cache != own && home != nullptr) ++cache->robbed;
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
      if (!serves(block->size, wanted.rounded)) continue;
      *link = block->next_free;
      --magazine.count;
      return block;
    }
  }
  Block *block = wanted.home->bins[is_large(wanted.rounded)].find(wanted.rounded, middle_.limit_of(wanted.rounded));
  if (block == nullptr) block = find_kept_larger(wanted);
  if (block != nullptr) middle_.take(block, wanted.rounded);
  return block;
}

// A small block that this thread keeps for larger ones, in its bin now: less than all that it keeps would be merged for.
Block *BlockCache::find_kept_larger(const Wanted &wanted) {
  if (wanted.own == nullptr || wanted.rounded >= kSmall) return nullptr;
  for (std::uint32_t i = class_of(wanted.rounded) + 1; i < class_of(kSmall); ++i) {
    if (wanted.own->magazines[i].count == 0) continue;
    note_peaks();
    middle_.give(wanted.own->pop(i));
    return wanted.home->bins[0].find(wanted.rounded, middle_.limit_of(wanted.rounded));
  }
  return nullptr;
}

Block *BlockCache::hand_out(Block *block, const Wanted &wanted) {
  if (block == nullptr) return nullptr;
  begin(block, wanted.size);
  count(wanted.own, *block, 1);
  note(trace::Action::alloc, *block);
  return block;
}

Result<void> BlockCache::check_stream(Stream stream) const {
  if (keeps(stream)) return {};
  return fail(SHMALLOC_STATUS_UNSUPPORTED, 0,
              "stream %llu is another one in each thread, so memory can't be kept in its order: name a stream that you made",
              static_cast<unsigned long long>(stream));
}

Result<Block *> BlockCache::allocate_slowly(std::uint64_t size, Stream stream) {
  if (size == 0) return nullptr;
  SHMALLOC_CHECK(check_stream(stream));
  if (size >= kMost) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no device has %llu bytes", static_cast<unsigned long long>(size));
  SHMALLOC_CHECK(ours());
  Wanted wanted{.size = size, .rounded = 0, .stream = stream};
  wanted.own = cache(stream);
  {
    const std::lock_guard lock(mutex_);
    wanted.home = wanted.own != nullptr ? wanted.own->home : middle_.home(stream);
    if (wanted.home == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for the lists of a stream");
    wanted.rounded = middle_.settings.divisions.round(size);
    poll(wanted.own);
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
  take_back(block, own);
  return {};
}

// A live block.
void BlockCache::take_back(Block *block, ThreadCache *own) {
  block->live.store(false, std::memory_order_relaxed);
  count(own, *block, -1);
  note(trace::Action::free_requested, *block);
  if (block->uses != nullptr && !inherited()) {
    wait_for_uses(block);
    return;
  }
  note(trace::Action::free_completed, *block);
  if (inherited()) return;  // It is the parent's.
  if (own == nullptr || block->special || block->index >= kKeptClasses) {
    middle_.give(block);
  } else {
    const std::uint32_t most = kKeep.of[block->index];
    if (own->magazines[block->index].count >= most) flush(own, block->index, most / 2);
    own->push(block);
  }
}

Result<void> BlockCache::free_at_slowly(Address address, Stream stream) {
  if (address == 0) return {};
  if (stream != SHMALLOC_STREAM_OWN) SHMALLOC_CHECK(check_stream(stream));
  SHMALLOC_TRY(block, find(address));
  ThreadCache *own = cache(block->stream);
  const std::lock_guard lock(mutex_);
  if (!block->live.load(std::memory_order_relaxed) || block->address != address) return not_found(address);  // by now
  if (stream != SHMALLOC_STREAM_OWN && stream != block->stream && !mutant(69)) SHMALLOC_CHECK(uses_.add(block, stream));
  take_back(block, own != nullptr && own->home == block->segment->home ? own : nullptr);
  return {};
}

Result<Block *> BlockCache::find(Address address) {
  if (Block *block = find_quickly(address); block != nullptr) return block;
  const std::lock_guard lock(mutex_);
  return live_at(address);
}

Result<Block *> BlockCache::live_at(Address address) {
  Block *block = middle_.at(address);
  if (block == nullptr || !block->live.load(std::memory_order_relaxed)) return not_found(address);
  return block;
}

// ---- other streams ----

Result<void> BlockCache::record_stream(Block *block, Stream stream) {
  if (block == nullptr || stream == block->stream) return {};
  SHMALLOC_CHECK(check_stream(stream));
  const std::lock_guard lock(mutex_);
  return uses_.add(block, stream);
}

bool BlockCache::capturing() {
  if (captures_.load(std::memory_order_relaxed) > 0 && !mutant(54)) return true;
  if (!description_.captures) return false;
  for (const Home *home = middle_.homes(); home != nullptr && !mutant(52); home = home->next) {
    if (home->out == 0) continue;
    auto captured = calls_.capturing(home->stream);
    if (captured && *captured) return true;
  }
  return !mutant(53) && uses_.capturing();
}

void BlockCache::wait_for_uses(Block *block) {
  if (mutant(32)) {
    note(trace::Action::free_completed, *block);
    block->uses = nullptr;
    middle_.give(block);
    return;
  }
  block->state = State::pending;
  block->freed_at = mutant(58) ? 0 : middle_.clock;
  const int large = block->large;
  ++pending_.blocks[large];
  pending_.bytes[large] += static_cast<std::int64_t>(block->size);
  add_to(&middle_.numbers.pending, 1);
  add_to(&middle_.numbers.pending_bytes, block->size);
  uses_.start(block, capturing());
}

// What this thread can use again at once it keeps.
void BlockCache::ready(Block *chain, ThreadCache *own) {
  if (chain == nullptr) return;
  note_peaks();
  while (chain != nullptr) {
    Block *block = chain;
    chain = block->next_free;
    --pending_.blocks[block->large];
    pending_.bytes[block->large] -= static_cast<std::int64_t>(block->size);
    take_from(&middle_.numbers.pending, 1);
    take_from(&middle_.numbers.pending_bytes, block->size);
    note(trace::Action::free_completed, *block);
    if (own != nullptr && (own->home == block->segment->home || mutant(67)) && may_be_kept(*block) &&
        own->magazines[block->index].count < kKeep.of[block->index]) {
      block->state = State::out;
      block->special = false;
      own->push(block);
    } else {
      middle_.give(block, block->freed_at);
    }
  }
  note_blocks();
}

void BlockCache::poll(ThreadCache *own) {
  if (!uses_.any() || (capturing() && !mutant(36))) return;
  ready(uses_.poll(), own);
}

// ---- settings ----

Result<void> BlockCache::configure(std::string_view text) {
  try {
    const std::lock_guard lock(mutex_);
    SHMALLOC_TRY(changed, parse(middle_.settings, text));
    apply(changed);
    return {};
  } catch (const std::bad_alloc &) {
    return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory to read the settings");
  }
}

Result<void> BlockCache::configure(const shmalloc_caching_params &params) {
  const std::lock_guard lock(mutex_);
  SHMALLOC_TRY(changed, parse(middle_.settings, params));
  apply(changed);
  return {};
}

void BlockCache::apply(const Settings &changed) {
  middle_.settings = changed;
  divisions_.store(changed.divisions.word(), std::memory_order_relaxed);
}

Settings BlockCache::settings() {
  const std::lock_guard lock(mutex_);
  return middle_.settings;
}

std::uint64_t BlockCache::limit() const {
  const double fraction = middle_.settings.fraction;
  return fraction < 1 ? static_cast<std::uint64_t>(fraction * static_cast<double>(description_.total)) : kUnlimited;
}

std::uint64_t BlockCache::limit_known() const { return std::min(limit(), description_.total); }

}  // namespace shmalloc::caching
