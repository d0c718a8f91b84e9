// The one lock of the channels of this process: taken before those of storages.
#pragma once

#include <mutex>

namespace shmalloc {

inline constinit std::mutex channels_mutex;

}  // namespace shmalloc
