// Sleeping on a word of shared memory until another process rings.
#pragma once

#include <atomic>
#include <cstdint>

namespace shmalloc::os {

// Sleeps while the word has this value, no longer than so many nanoseconds. 0: woken, or the value differs; else ETIMEDOUT or EINTR, or
// what else the kernel says.
int futex_wait(const std::atomic<std::uint32_t> *word, std::uint32_t value, std::int64_t nanoseconds);
void futex_wake_all(const std::atomic<std::uint32_t> *word);

// Whether it makes sense to wait for another process without sleeping.
bool several_cpus();
// One more than the number of the CPU that this thread runs on just now; 0 where that is not known.
std::uint32_t current_cpu();

}  // namespace shmalloc::os
