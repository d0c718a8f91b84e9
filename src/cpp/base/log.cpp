#include "base/log.hpp"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <shared_mutex>

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

}  // namespace

void set_log(shmalloc_log_fn fn, int level, void *userdata, shmalloc_destroy_fn destroy_fn) {
  Listener old;
  {
    std::unique_lock lock(mutex);  // Waits for calls that run.
    old = listener;
    listener = {fn, userdata, destroy_fn};
    threshold.store(fn != nullptr ? level : 0, std::memory_order_relaxed);
  }
  if (old.destroy_fn != nullptr) old.destroy_fn(old.userdata);
  if (fn == nullptr && destroy_fn != nullptr) {
    // There is nothing to pass userdata to: give it back at once.
    {
      std::unique_lock lock(mutex);
      listener = {};
    }
    destroy_fn(userdata);
  }
}

void log(int level, const char *format, ...) {
  if (level > threshold.load(std::memory_order_relaxed)) return;
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  std::shared_lock lock(mutex);
  if (listener.fn != nullptr && level <= threshold.load(std::memory_order_relaxed)) listener.fn(level, line, listener.userdata);
}

void lock_log() { mutex.lock(); }
void unlock_log() { mutex.unlock(); }

}  // namespace shmalloc
