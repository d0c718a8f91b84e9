// Who we are, across fork; and random bytes.
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace shmalloc::os {

// Random bytes of the kernel's.
Result<std::uint64_t> random_number();

// When a process started, in clock ticks since boot: with its pid an identity. 0 if there is no such process, or /proc does not tell.
std::uint64_t start_time(int pid);
// The same of this process, remembered.
std::uint64_t own_start_time(int own_pid);

// Nanoseconds of the monotonic clock, cheap and coarse (some milliseconds).
std::int64_t coarse_now();
// The same, exact.
std::int64_t now();

// Lets another thread run.
void yield();

// What this thread wrote before, all others of the process see from now on, and what they wrote before this it sees: a fence that costs
// them nothing. Where the kernel has none, nothing.
// False: the system doesn't let us.
bool fence_all_threads();
// Whether it would, as far as it says.
bool can_fence_all_threads();
// Nanoseconds since 1970.
std::int64_t wall_now();

// The kernel's number of this thread.
std::int32_t thread_id();

}  // namespace shmalloc::os
