// How much memory the machine has, and may still give to this process.
#pragma once

#include <cstdint>

namespace shmalloc::os {

struct MemoryInfo {
  bool known = false;
  bool by_cgroup = false;       // the control group's limit is the narrower one
  std::uint64_t total = 0;      // bytes
  std::uint64_t available = 0;  // bytes, swap included
};
MemoryInfo memory_info();

// Reads a small text file (of /proc or /sys) into buffer, ends it with a zero byte; its length, or -1 with errno set.
long read_file(const char *path, char *buffer, unsigned long size);
// The first number in such a file; false if there is none.
bool read_number(const char *path, std::uint64_t *out);

}  // namespace shmalloc::os
