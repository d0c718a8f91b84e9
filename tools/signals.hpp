// SIGINT, SIGTERM and SIGHUP as something to look at, not something that happens.
#pragma once

#include "descriptor.hpp"

namespace shmalloc_tool {

// From its making on these signals wait, and its descriptor is readable while one does. Those that were ignored stay so.
class StopSignals {
 public:
  StopSignals();
  int fd() const { return fd_.get(); }
  int take() const;           // the number of one that came; 0: none
  void throw_if_any() const;  // Interrupted

 private:
  Descriptor fd_;
};

// What to do at the very end: the process dies of the signal, so that a shell sees it.
[[noreturn]] void die_of(int signal);

}  // namespace shmalloc_tool
