#include "allocators/caching/observers.hpp"

#include <pthread.h>

#include <mutex>

#include "base/handle.hpp"

namespace shmalloc::caching {
namespace {

constinit std::mutex mutex;  // No other lock is taken with it.
constinit std::uint64_t last_id = 0;
constinit pthread_cond_t changed = PTHREAD_COND_INITIALIZER;  // std::condition_variable has no constant initialiser

}  // namespace

thread_local constinit Observers::Call *Observers::own_calls = nullptr;

bool Observers::in_call_of(const Observer &observer) {
  const Call *call = own_calls;
  while (call != nullptr && call->observer != &observer) call = call->outer;
  return call != nullptr;
}

Result<std::uint64_t> Observers::add(std::uint32_t kinds, shmalloc_observer_fn fn, void *userdata, shmalloc_destroy_fn destroy_fn) {
  constexpr std::uint32_t kKnown = SHMALLOC_NOTICE_MEMORY_LOW | SHMALLOC_NOTICE_OUT_OF_MEMORY;
  if ((kinds & ~kKnown) != 0)
    return fail(SHMALLOC_STATUS_UNSUPPORTED, 0, "observe: kinds %#x are not known to this version", kinds & ~kKnown);
  if (kinds == 0) return fail(SHMALLOC_STATUS_INVALID, 0, "observe: kinds is 0, so there is nothing to hear of");
  if (fn == nullptr) return fail(SHMALLOC_STATUS_INVALID, 0, "observe: fn is NULL");
  const std::lock_guard lock(mutex);
  for (Observer &observer : observers_) {
    if (observer.id != 0) continue;
    observer.id = ++last_id;
    observer.kinds = kinds;
    observer.fn = fn;
    observer.userdata = userdata;
    observer.destroy_fn = destroy_fn;
    return observer.id;
  }
  return fail(SHMALLOC_STATUS_NO_SPACE, 0, "%zu observers hear of this allocator already", kMost);
}

Result<void> Observers::remove(std::uint64_t id) {
  Observer old;
  {
    const std::lock_guard lock(mutex);
    Observer *found = nullptr;
    for (Observer &observer : observers_) {
      if (id != 0 && observer.id == id && !observer.leaving) found = &observer;
    }
    if (found == nullptr)
      return fail(SHMALLOC_STATUS_NOT_FOUND, 0, "no observer of this allocator has the number %llu",
                  static_cast<unsigned long long>(id));
    if (in_call_of(*found)) return fail(SHMALLOC_STATUS_BUSY, 0, "an observer can't wait for its own end");
    for (const Call *call = own_calls; call != nullptr && found->running != 0; call = call->outer) {
      if (call->observer->leaving) return fail(SHMALLOC_STATUS_BUSY, 0, "two observers can't wait for each other's end");
    }
    found->leaving = true;
    while (found->running != 0) pthread_cond_wait(&changed, mutex.native_handle());
    old = *found;
    *found = {};
  }
  if (old.destroy_fn != nullptr) old.destroy_fn(old.userdata);
  return {};
}

void Observers::end() {
  for (Observer &observer : observers_) {
    if (observer.destroy_fn != nullptr && !exiting.load(std::memory_order_relaxed)) observer.destroy_fn(observer.userdata);
    observer = {};
  }
}

bool Observers::hears(std::uint32_t kind) const {
  if (exiting.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex);
  for (const Observer &observer : observers_) {
    if ((observer.kinds & kind) != 0) return true;
  }
  return false;
}

bool Observers::tell(const shmalloc_notice &notice) {
  bool answered = false;
  for (Observer &observer : observers_) {
    Call call = {&observer, own_calls};
    shmalloc_observer_fn fn = nullptr;
    void *userdata = nullptr;
    {
      const std::lock_guard lock(mutex);
      if ((observer.kinds & static_cast<std::uint32_t>(notice.kind)) == 0 || observer.leaving || in_call_of(observer)) continue;
      fn = observer.fn;
      userdata = observer.userdata;
      ++observer.running;
    }
    own_calls = &call;
    answered = fn(&notice, userdata) == 1 || answered;
    own_calls = call.outer;
    bool last = false;
    {
      const std::lock_guard lock(mutex);
      last = --observer.running == 0 && observer.leaving;
    }
    if (last) pthread_cond_broadcast(&changed);
  }
  return answered;
}

void Observers::lock() { mutex.lock(); }
void Observers::unlock() { mutex.unlock(); }
void Observers::begin_in_child() { changed = PTHREAD_COND_INITIALIZER; }  // Nobody waits on it here.

void Observers::forget_other_threads() {
  for (Observer &observer : observers_) {
    observer.running = 0;
    observer.leaving = false;
    for (const Call *call = own_calls; call != nullptr; call = call->outer) observer.running += call->observer == &observer ? 1 : 0;
  }
}

}  // namespace shmalloc::caching
