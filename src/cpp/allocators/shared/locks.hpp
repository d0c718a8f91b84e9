// The locks of kind SHARED. Order: a heap's, a slot's count in this process, the segments'.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace shmalloc {

std::mutex &heaps_mutex();
std::mutex &segments_mutex();

// A thread of this process forks: what it marks for its child is marked. Who made or took hold of something meanwhile waits for the fork to
// be done before he tells anybody of it, so that no child has what is not marked for it. He looks after he has done it, without a fence:
// the forking thread pays for both.
inline constinit std::atomic<bool> forking{false};
// Which fork it is: what carries this number is the child's. With the heaps' mutex.
inline constinit std::uint32_t fork_number = 0;
inline void wait_for_fork(std::mutex &(*mutex)()) {
  if (forking.load(std::memory_order_relaxed)) [[unlikely]] {
    const std::lock_guard lock(mutex());
  }
}

}  // namespace shmalloc
