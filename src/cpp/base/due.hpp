// When calls marked +cb have something to catch up with: one number to look at, instead of one for each of those who put something off.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

namespace shmalloc {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// On the coarse monotonic clock; 0: at once.
inline constinit std::atomic<std::int64_t> due_at{kNever};

// Something is to be done then. Who does it looks at everything, and asks again for what is left.
inline void due(std::int64_t when) {
  std::int64_t now = due_at.load(std::memory_order_relaxed);
  while (when < now && !due_at.compare_exchange_weak(now, when, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

}  // namespace shmalloc
