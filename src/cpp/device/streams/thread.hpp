// The threads of streams. No other part of the library has any.
#pragma once

#include <pthread.h>

namespace shmalloc::device {

// pthread_create, as a variable: tests make it fail.
using StartThread = int(pthread_t *out, const pthread_attr_t *attributes, void *(*function)(void *), void *argument);
extern StartThread *start_thread;

// Starts one that takes none of the process's signals. An errno, or 0.
int start_quiet_thread(pthread_t *out, void *(*function)(void *), void *argument);

}  // namespace shmalloc::device
