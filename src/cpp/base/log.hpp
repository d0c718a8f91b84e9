// The one listener for what no call can return.
#pragma once

#include "base/error.hpp"

namespace shmalloc {

// Replaces the listener; returns when no call to the old one can be running, after its destroy_fn ran.
// False, and nothing done, in a listener.
bool set_log(shmalloc_log_fn fn, int level, void *userdata, shmalloc_destroy_fn destroy_fn);

// Formats and delivers a line if somebody listens at that level. Never with a lock of ours held: a listener may call us, and fork takes
// this lock before all others.
[[gnu::format(printf, 2, 3)]] void log(int level, const char *format, ...);

// Held across fork, see storage/process.cpp. The child has only the thread that forked: listeners of others do not run there.
void lock_log();
void unlock_log();
void forget_other_listeners();  // with the log locked

}  // namespace shmalloc
