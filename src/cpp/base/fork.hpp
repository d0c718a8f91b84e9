// How many forks lie between this process and the first that used the library.
#pragma once

#include <atomic>
#include <cstdint>

namespace shmalloc {

inline constinit std::atomic<std::uint64_t> forks{0};  // changed by the handler in the child alone

inline std::uint64_t fork_generation() { return forks.load(std::memory_order_relaxed); }

}  // namespace shmalloc
