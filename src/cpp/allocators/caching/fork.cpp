// All allocators, and what fork does with them.
//
// The child finds every lock free and what it guards whole. What threads keep is guarded by no lock: the lists of those who are not there
// may be in any state. So nobody looks at them, and every thread takes the way with the mutex, for good.
#include "allocators/caching/cache.hpp"

namespace shmalloc::caching {
namespace {

constinit BlockCache *all_caches = nullptr;  // with the registry's lock

}  // namespace

void BlockCache::enlist() {
  const std::lock_guard lock(registry);
  next_ = all_caches;
  if (next_ != nullptr) next_->previous_ = this;
  all_caches = this;
}

void BlockCache::delist() {
  const std::lock_guard lock(registry);
  disown_caches(caches_);
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : all_caches) = next_;
}

void BlockCache::before_fork() {
  registry.lock();
  for (BlockCache *cache = all_caches; cache != nullptr; cache = cache->next_) cache->mutex_.lock();
  Observers::lock();
}

void BlockCache::in_parent() {
  Observers::unlock();
  for (BlockCache *cache = all_caches; cache != nullptr; cache = cache->next_) cache->mutex_.unlock();
  registry.unlock();
}

void BlockCache::in_child() {
  Observers::begin_in_child();
  for (BlockCache *cache = all_caches; cache != nullptr; cache = cache->next_) {
    for (ThreadCache *of = cache->caches_; of != nullptr; of = of->next_of_owner) of->abandon();
    cache->observers_.forget_other_threads();
  }
  in_parent();
}

Result<void> BlockCache::ours() const {
  if (!inherited()) return {};
  return fail(SHMALLOC_STATUS_BACKEND, 0, "device memory is not inherited by fork: the child makes an allocator of its own");
}

}  // namespace shmalloc::caching
