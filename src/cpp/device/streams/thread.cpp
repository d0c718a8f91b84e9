#include "device/streams/thread.hpp"

#include <csignal>

#include "os/calls.hpp"

namespace shmalloc::device {

int start_quiet_thread(pthread_t *out, void *(*function)(void *), void *argument) {
  // A thread begins with the mask of who starts it. Handlers of the application run on threads that it knows.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  static_cast<void>(os::calls.block_signals(SIG_SETMASK, &all, &before));
  const int error = os::calls.thread_create(out, nullptr, function, argument);
  static_cast<void>(os::calls.block_signals(SIG_SETMASK, &before, nullptr));
  return error;
}

}  // namespace shmalloc::device
