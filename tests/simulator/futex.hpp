// Waiting for a word that processes share.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>

namespace sim {

// Returns when the word is no longer `seen`, or after so long, or for no reason.
inline void futex_wait(std::atomic<std::uint32_t> *word, std::uint32_t seen, int milliseconds) {
  const timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
  syscall(SYS_futex, word, FUTEX_WAIT, seen, &time, nullptr, 0);
}

inline void futex_wake(std::atomic<std::uint32_t> *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); }

}  // namespace sim
