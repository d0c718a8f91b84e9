#include "channel/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "os/futex.hpp"
#include "os/process.hpp"

namespace shmalloc {
namespace {

constexpr std::int64_t kLeastSpin = 1000;
constexpr std::int64_t kMostSpin = 64000;  // about what it costs to sleep and be woken
constexpr std::int64_t kShortWait = 150000;
constexpr std::int64_t kSlice = 100000000;  // nobody tells of a death: sleepers look for themselves
constexpr std::uint32_t kHotLooks = 64;     // without a pause

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

Error timeout() { return fail(SHMALLOC_STATUS_TIMEOUT, 0, "nothing came, or there was no room, in the time given"); }

}  // namespace

Result<void> Wait::next() {
  ++looks_;
  if (timeout_ == SHMALLOC_TIME_NONE) {
    if (looks_ == 1 && ring_.look_at_peers()) return {};
    return timeout();
  }
  if (!spun_) {
    if (spin()) return {};
    spun_ = true;
  }
  if (armed_) return sleep();
  // Whoever changes something from here on sees that we wait, or we see what he changed.
  seen_ = bell_.rings.load();
  bell_.waiting.store(1);
  armed_ = true;
  static_cast<void>(ring_.look_at_peers());
  return {};
}

bool Wait::spin() {
  if (looks_ < kHotLooks) {
    // He who rings can't while we spin on his CPU.
    if (looks_ == 1 && (!os::several_cpus() || bell_.ringer_cpu.load(std::memory_order_relaxed) == os::current_cpu())) return false;
    return true;
  }
  pause();
  if (looks_ % 16 != 0) return true;
  const std::int64_t now = os::now();
  if (began_ == 0) {
    began_ = now;
    budget_ = std::clamp(ring_.spin_ns_.load(std::memory_order_relaxed), kLeastSpin, kMostSpin);
    if (timeout_ > 0) budget_ = std::min(budget_, timeout_);
  }
  return now - began_ < budget_;
}

Result<void> Wait::sleep() {
  std::int64_t length = kSlice;
  if (timeout_ > 0) {
    const std::int64_t now = os::now();
    if (began_ == 0) began_ = now;
    const std::int64_t left = timeout_ - (now - began_);
    if (left <= 0) return timeout();
    length = std::min(length, left);
  }
  armed_ = false;
  const int error = os::futex_wait(&bell_.rings, seen_, length);
  if (error == ETIMEDOUT) {
    static_cast<void>(ring_.look_at_peers());
  } else if (error == EINTR) {
    return fail(SHMALLOC_STATUS_INTERRUPTED, error, "a signal ended the wait");
  } else if (error != 0) {
    return fail_errno(error, "waiting for a channel failed");
  }
  return {};
}

// Two who answer each other and sleep in between wait longer than they spin, for both have to be woken each time: so it is not the spin that
// must have helped, but the whole wait that must have been short, if spinning is to be worth more.
void Wait::learn() {
  if (began_ == 0) return;
  const bool was_short = !spun_ || os::now() - began_ < kShortWait;
  const std::int64_t spent = ring_.spin_ns_.load(std::memory_order_relaxed);
  const std::int64_t next = std::clamp(was_short ? spent * 2 : spent / 2, kLeastSpin, kMostSpin);
  if (next != spent) ring_.spin_ns_.store(next, std::memory_order_relaxed);
}

}  // namespace shmalloc
