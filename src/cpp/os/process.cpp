#include "os/process.hpp"

#include <unistd.h>

#include <sys/single_threaded.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "os/calls.hpp"
#include "os/memory_info.hpp"

namespace shmalloc::os {

Result<std::uint64_t> random_number() {
  std::uint64_t number = 0;
  ssize_t got;
  do {
    got = calls.getrandom(&number, sizeof number, 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof number) return fail_errno(got < 0 ? errno : EIO, "asking the kernel for random bytes failed");
  return number;
}

std::uint64_t start_time(int pid) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  char text[1024];
  if (read_file(path, text, sizeof text) <= 0) return 0;
  // The second field, the command in brackets, may hold anything: count from its end. Field 22 is 20 further.
  const char *at = std::strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at, ' ');
    if (at != nullptr) ++at;
  }
  return at != nullptr ? std::strtoull(at, nullptr, 10) : 0;
}

std::uint64_t own_start_time(int own_pid) {
  static constinit std::atomic<int> known_pid{0};
  static constinit std::atomic<std::uint64_t> known{0};
  if (known_pid.load(std::memory_order_acquire) == own_pid) return known.load(std::memory_order_relaxed);
  const std::uint64_t started = start_time(own_pid);
  if (started == 0) return 0;
  known.store(started, std::memory_order_relaxed);
  known_pid.store(own_pid, std::memory_order_release);
  return started;
}

namespace {

std::int64_t read_clock(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1000000000 + time.tv_nsec;
}

}  // namespace

std::int64_t coarse_now() { return read_clock(CLOCK_MONOTONIC_COARSE); }

std::int64_t now() { return read_clock(CLOCK_MONOTONIC); }

void yield() { calls.sched_yield(); }

namespace {
constexpr long kAskFence = 0;            // MEMBARRIER_CMD_QUERY
constexpr long kFence = 1 << 3;          // MEMBARRIER_CMD_PRIVATE_EXPEDITED
constexpr long kRegisterFence = 1 << 4;  // .. and its registration
}  // namespace

bool can_fence_all_threads() {
  const long known = calls.syscall(SYS_membarrier, kAskFence, 0L, 0L);
  return known >= 0 && (known & kFence) != 0 && (known & kRegisterFence) != 0;
}

bool fence_all_threads() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (__libc_single_threaded != 0 || calls.syscall(SYS_membarrier, kFence, 0L, 0L) == 0) return true;
  if (errno != EPERM) return false;
  return calls.syscall(SYS_membarrier, kRegisterFence, 0L, 0L) == 0 && calls.syscall(SYS_membarrier, kFence, 0L, 0L) == 0;
}

std::int64_t wall_now() { return read_clock(CLOCK_REALTIME); }

std::int32_t thread_id() { return gettid(); }

}  // namespace shmalloc::os
