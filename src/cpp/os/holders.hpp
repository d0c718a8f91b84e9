// Which processes have shared objects open or mapped, as far as /proc lets us see.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "os/file.hpp"

namespace shmalloc::os {

struct HeldObject {
  std::string link;          // as the kernel shows it: "/memfd:name (deleted)", "/dev/shm/name"
  int holders = 0;           // processes
  int pid = 0;               // one of them
  int last_pid = 0;          // for counting each once
  std::string fd_path;       // "/proc/<pid>/fd/<n>" of one that has it open, else ""
  std::uint64_t mapped = 0;  // bytes of the longest mapping
};

struct Holders {
  std::map<std::pair<std::uint64_t, std::uint64_t>, HeldObject> objects;  // by device and inode
  std::vector<std::uint32_t> hidden;                                      // users of processes that could not be looked into
  bool complete = false;                                                  // every process of the machine can be seen

  const HeldObject *find(const Identity &identity) const {
    const auto at = objects.find({identity.device, identity.inode});
    return at != objects.end() ? &at->second : nullptr;
  }
  // Could a process that we can't look into hold an object of this owner and mode?
  bool uncertain(std::uint32_t uid, std::uint32_t mode) const;
};

// Looks at every process for objects of /dev/shm and memfds.
Result<Holders> find_holders();

// The names in a directory but "." and "..".
Result<std::vector<std::string>> list_directory(const char *path);

}  // namespace shmalloc::os
