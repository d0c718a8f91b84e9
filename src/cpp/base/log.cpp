#include "base/log.hpp"

#include <pthread.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>

#include "base/handle.hpp"

namespace shmalloc {
namespace {

struct Listener {
  shmalloc_log_fn fn;
  void *userdata;
  shmalloc_destroy_fn destroy_fn;
};

// A listener runs without the mutex, counted in the counter of its turn. Who replaces it begins a new turn, and waits for the old turn's
// counter to fall to 0: calls that begin later count in the other one, so that wait ends.
constinit std::mutex mutex;
// All that the mutex guards:
constinit Listener listener{};
constinit unsigned turn = 0;
constinit int running[2] = {};
constinit bool replacing = false;                             // one at a time
constinit pthread_cond_t changed = PTHREAD_COND_INITIALIZER;  // std::condition_variable has no constant initialiser
constinit std::atomic<int> threshold{0};
thread_local bool listening = false;     // This thread is in a listener: its lines are dropped.
thread_local unsigned listening_in = 0;  // .. in this turn

}  // namespace

bool set_log(shmalloc_log_fn fn, int level, void *userdata, shmalloc_destroy_fn destroy_fn) {
  if (listening) return false;
  Listener old;
  {
    const std::lock_guard lock(mutex);
    while (replacing) pthread_cond_wait(&changed, mutex.native_handle());
    replacing = true;
    old = listener;
    listener = fn != nullptr ? Listener{fn, userdata, destroy_fn} : Listener{};
    threshold.store(fn != nullptr ? level : 0, std::memory_order_relaxed);
    const unsigned ended = turn++ % 2;
    while (running[ended] != 0) pthread_cond_wait(&changed, mutex.native_handle());
    replacing = false;
  }
  pthread_cond_broadcast(&changed);
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
  Listener now;
  {
    const std::lock_guard lock(mutex);
    if (listener.fn == nullptr || level > threshold.load(std::memory_order_relaxed)) return;
    now = listener;
    listening_in = turn % 2;
    ++running[listening_in];
  }
  listening = true;
  now.fn(level, line, now.userdata);
  listening = false;
  bool last;
  {
    const std::lock_guard lock(mutex);
    last = --running[listening_in] == 0;
  }
  if (last) pthread_cond_broadcast(&changed);
}

void lock_log() { mutex.lock(); }
void unlock_log() { mutex.unlock(); }

void forget_other_listeners() {
  running[0] = running[1] = 0;
  if (listening) running[listening_in] = 1;
  replacing = false;
  changed = PTHREAD_COND_INITIALIZER;  // Nobody waits on it here.
}

}  // namespace shmalloc
