#include "os/futex.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "os/calls.hpp"

namespace shmalloc::os {

int futex_wait(const std::atomic<std::uint32_t> *word, std::uint32_t value, std::int64_t nanoseconds) {
  const struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  if (calls.syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, nullptr, 0) == 0 || errno == EAGAIN) return 0;
  return errno;
}

void futex_wake_all(const std::atomic<std::uint32_t> *word) {
  static_cast<void>(calls.syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0));
}

bool several_cpus() {
  static constinit std::atomic<long> known{0};
  long count = known.load(std::memory_order_relaxed);
  if (count == 0) known.store(count = sysconf(_SC_NPROCESSORS_ONLN), std::memory_order_relaxed);
  return count > 1;
}

std::uint32_t current_cpu() { return static_cast<std::uint32_t>(sched_getcpu() + 1); }

}  // namespace shmalloc::os
