// The locks of kind SHARED. Order: a heap's, a slot's count in this process, the segments'.
#pragma once

#include <mutex>

namespace shmalloc {

std::mutex &heaps_mutex();
std::mutex &segments_mutex();

}  // namespace shmalloc
