#include "base/log.hpp"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <new>
#include <shared_mutex>

#include "base/handle.hpp"

namespace shmalloc {
namespace {

struct Listener {
  shmalloc_log_fn fn;
  void *userdata;
  shmalloc_destroy_fn destroy_fn;
};

constinit std::shared_mutex mutex;
constinit Listener listener{};
constinit std::atomic<int> threshold{0};
constinit std::atomic<unsigned> renewed{0};  // how often fork gave us a fresh lock
thread_local bool listening = false;         // This thread is in a listener: its lines are dropped.

}  // namespace

bool set_log(shmalloc_log_fn fn, int level, void *userdata, shmalloc_destroy_fn destroy_fn) {
  if (listening) return false;
  Listener old;
  {
    std::unique_lock lock(mutex);  // Waits for calls that run.
    old = listener;
    listener = fn != nullptr ? Listener{fn, userdata, destroy_fn} : Listener{};
    threshold.store(fn != nullptr ? level : 0, std::memory_order_relaxed);
  }
  if (old.destroy_fn != nullptr) old.destroy_fn(old.userdata);
  if (fn == nullptr && destroy_fn != nullptr) destroy_fn(userdata);  // Nobody to pass it to.
  return true;
}

void log(int level, const char *format, ...) {
  if (level > threshold.load(std::memory_order_relaxed) || listening || exiting.load(std::memory_order_relaxed)) return;
  va_list arguments;
  va_start(arguments, format);
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  make_clean(line);
  listening = true;
  mutex.lock_shared();
  const unsigned before = renewed.load(std::memory_order_relaxed);
  if (listener.fn != nullptr && level <= threshold.load(std::memory_order_relaxed)) listener.fn(level, line, listener.userdata);
  // A listener that forked returns in the child as well, where the lock is a new one.
  if (before == renewed.load(std::memory_order_relaxed)) mutex.unlock_shared();
  listening = false;
}

// A listener that forks holds the lock already.
void lock_log() {
  if (!listening) mutex.lock();
}
void unlock_log() {
  if (!listening) mutex.unlock();
}
void renew_log_lock() {
  new (&mutex) std::shared_mutex();
  renewed.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace shmalloc
