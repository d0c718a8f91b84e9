// The bytes of a file or pipe, as a storage.
#pragma once

#include <cstdint>
#include <string>

#include "api.hpp"
#include "progress.hpp"
#include "signals.hpp"

namespace shmalloc_tool {

struct StorageWish {
  std::string name;  // of a POSIX shm object; empty: see shm
  bool shm = false;  // a POSIX shm object of a generated name; else a nameless one
  std::uint32_t mode = 0;
  std::string prefix;  // of generated names
  std::string config;  // of the allocator
};

// All that `path` holds; "-": standard input. A file whose size is known is copied as long as it was at the start, anything else up to
// its end, into a storage that grows with it.
Storage storage_of_file(const std::string &path, const StorageWish &wish, ProgressWish progress, const StopSignals &signals);

}  // namespace shmalloc_tool
