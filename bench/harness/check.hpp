// A benchmark that goes wrong stops at once: no figure is better than a wrong one.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shmalloc.h"

namespace bench {

[[noreturn]] inline void stop(const char *what, const char *why) {
  std::fprintf(stderr, "bench: %s: %s\n", what, why);
  std::exit(1);
}

// For system calls.
inline void check(bool good, const char *what) {
  if (!good) stop(what, std::strerror(errno));
}

// For calls of the library.
inline void check(shmalloc_status status, const shmalloc_error &error, const char *what) {
  if (status != SHMALLOC_STATUS_OK) stop(what, error.message);
}

}  // namespace bench
