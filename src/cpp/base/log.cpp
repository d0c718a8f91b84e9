#include "base/log.hpp"

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
constinit Listener listener{};
constinit unsigned turn = 0;
constinit std::atomic<int> running[2] = {};
constinit std::atomic<bool> replacing{false};  // one at a time
constinit std::atomic<int> threshold{0};
thread_local bool listening = false;     // This thread is in a listener: its lines are dropped.
thread_local unsigned listening_in = 0;  // .. in this turn

}  // namespace

bool set_log(shmalloc_log_fn fn, int level, void *userdata, shmalloc_destroy_fn destroy_fn) {
  if (listening) return false;
  while (replacing.exchange(true, std::memory_order_acquire)) replacing.wait(true, std::memory_order_relaxed);
  Listener old;
  unsigned ended;
  {
    const std::lock_guard lock(mutex);
    old = listener;
    listener = fn != nullptr ? Listener{fn, userdata, destroy_fn} : Listener{};
    threshold.store(fn != nullptr ? level : 0, std::memory_order_relaxed);
    ended = turn++ % 2;
  }
  for (int count; (count = running[ended].load(std::memory_order_acquire)) != 0;)
    running[ended].wait(count, std::memory_order_relaxed);
  replacing.store(false, std::memory_order_release);
  replacing.notify_one();
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
    running[listening_in].fetch_add(1, std::memory_order_relaxed);
  }
  listening = true;
  now.fn(level, line, now.userdata);
  listening = false;
  if (running[listening_in].fetch_sub(1, std::memory_order_release) == 1) running[listening_in].notify_all();
}

void lock_log() { mutex.lock(); }
void unlock_log() { mutex.unlock(); }

void forget_other_listeners() {
  running[0].store(0, std::memory_order_relaxed);
  running[1].store(0, std::memory_order_relaxed);
  if (listening) running[listening_in].store(1, std::memory_order_relaxed);
  replacing.store(false, std::memory_order_relaxed);
}

}  // namespace shmalloc
