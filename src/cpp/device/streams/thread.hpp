// The threads of streams. No other part of the library has any.
#pragma once

#include <pthread.h>

namespace shmalloc::device {

// Starts one that takes none of the process's signals. An errno, or 0.
int start_quiet_thread(pthread_t *out, void *(*function)(void *), void *argument);

}  // namespace shmalloc::device
