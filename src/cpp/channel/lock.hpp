// The one lock of the channels of this process: taken after the storages' and before the segments'.
#pragma once

#include <mutex>

namespace shmalloc {

inline constinit std::mutex channels_mutex;

}  // namespace shmalloc
