#include "allocators/caching/thread_cache.hpp"

#include <pthread.h>

#include <new>

#include "allocators/caching/cache.hpp"
#include "allocators/caching/mutant.hpp"
#include "os/process.hpp"

namespace shmalloc::caching {
namespace {

constinit bool key_made = false;
constinit bool fence_asked = false, fence_there = false;
pthread_key_t key;

void end_thread(void * /*caches*/) {
  const std::lock_guard lock(registry);
  while (own_thread_caches != nullptr) {
    ThreadCache *cache = own_thread_caches;
    own_thread_caches = cache->next_of_thread;
    if (cache->owner != nullptr) cache->owner->end_cache(cache);
    delete cache;
  }
}

}  // namespace

constinit std::mutex registry;
thread_local constinit ThreadCache *own_thread_caches = nullptr;

void ThreadCache::add_to(Counts *counts) const {
  for (int large = 0; large < 2; ++large) {
    const auto &pool = pools[large];
    counts->allocations[large] += pool.allocations.load(std::memory_order_relaxed);
    counts->frees[large] += pool.frees.load(std::memory_order_relaxed);
    const std::int64_t allocated = pool.allocated.load(std::memory_order_relaxed);
    counts->allocated[large] += allocated;
    counts->freed[large] += allocated - pool.live.load(std::memory_order_relaxed);
    counts->requested[large] += pool.requested.load(std::memory_order_relaxed);
    counts->returned[large] += pool.returned.load(std::memory_order_relaxed);
  }
}

void ThreadCache::forget_peaks() {
  std::int64_t all = 0;
  for (auto &pool : pools) {
    const std::int64_t live = pool.live.load(std::memory_order_relaxed);
    pool.peak.store(live, std::memory_order_relaxed);
    all += live;
  }
  peak.store(all, std::memory_order_relaxed);
}

ThreadCache *existing_cache(std::uint64_t allocator_id, Stream stream) {
  ThreadCache *first = own_thread_caches;
  if (first == nullptr || (first->allocator_id == allocator_id && first->stream == stream)) [[likely]]
    return first;
  for (ThreadCache *at = first; at->next_of_thread != nullptr; at = at->next_of_thread) {
    ThreadCache *found = at->next_of_thread;
    if (found->allocator_id != allocator_id || found->stream != stream) continue;
    at->next_of_thread = found->next_of_thread;
    found->next_of_thread = first;
    own_thread_caches = found;
    return found;
  }
  return nullptr;
}

ThreadCache *make_cache(BlockCache *owner, std::uint64_t allocator_id, Home *home) {
  const std::lock_guard lock(registry);
  if (!fence_asked) fence_there = os::can_fence_all_threads();
  fence_asked = true;
  if (!fence_there) return nullptr;
  if (!key_made) {
    if (pthread_key_create(&key, end_thread) != 0) return nullptr;
    key_made = true;
  }
  auto *made = new (std::nothrow) ThreadCache();
  if (made == nullptr) return nullptr;
  if (pthread_setspecific(key, made) != 0) {
    delete made;
    return nullptr;
  }
  // Those of allocators that are gone go now.
  for (ThreadCache **at = &own_thread_caches; *at != nullptr;) {
    ThreadCache *old = *at;
    if (old->owner != nullptr) {
      at = &old->next_of_thread;
    } else {
      *at = old->next_of_thread;
      delete old;
    }
  }
  made->allocator_id = allocator_id;
  made->stream = home->stream;
  made->home = home;
  made->owner = owner;
  owner->begin_cache(made);
  made->next_of_thread = own_thread_caches;
  own_thread_caches = made;
  return made;
}

void disown_caches(ThreadCache *first) {
  for (ThreadCache *cache = first; cache != nullptr; cache = cache->next_of_owner) cache->owner = nullptr;
}

Stopped::Stopped(ThreadCache *first, const Home *home, const ThreadCache *own) : first_(first), home_(home), own_(own) {
  bool any = false;
  each([&any](ThreadCache *cache) {
    cache->hold();
    any = true;
  });
  if (!any) return;
  all_ = os::fence_all_threads();
  if (!all_ || mutant(41)) return;
  each([](const ThreadCache *cache) {
    while (cache->busy.load(std::memory_order_acquire) != 0) os::yield();
  });
}

Stopped::~Stopped() {
  each([](ThreadCache *cache) { cache->let_go(); });
}

}  // namespace shmalloc::caching
