// The driver's functions by name and version, for cuGetProcAddress.
#pragma once

#include <vector>

namespace sim {

struct Entry {
  const char *name;
  int since;  // the driver that had it first, with these arguments
  void *function;
  void *per_thread;  // with stream 0 as the thread's own; nullptr: no difference
};

const std::vector<Entry> &entries();

}  // namespace sim
