// What the mapping flags mean, decided before anything is opened.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "shmalloc/storage.h"

namespace shmalloc {

enum class Source : std::uint8_t { memfd, shm, file, descriptor };

struct Plan {
  Source source = Source::memfd;
  std::uint32_t mapped = 0;  // the flags in force, what they imply included
  bool shared = true;        // writes reach the object
  bool exclusive = false;
  bool create = true;
  bool keep_fd = false;
  bool unlink = false;
  bool grow = true;  // a short object may be extended
  bool read_only = false;
  bool huge = false;
};

// INVALID names the two flags that contradict.
Result<Plan> make_plan(std::uint32_t mapped, bool has_name);

}  // namespace shmalloc
