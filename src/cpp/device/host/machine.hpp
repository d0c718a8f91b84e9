// What this machine offers, what is shared on it, and taking back what nobody holds.
#pragma once

#include <string>

#include "base/result.hpp"
#include "shmalloc/device.h"
#include "shmalloc/machine.h"

namespace shmalloc {

Result<std::string> describe_machine();
Result<void> describe_host(shmalloc_device_info *info);

Result<void> walk_objects(const char *prefix, shmalloc_object_fn fn, void *userdata);

struct Reclaimed {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};
Result<Reclaimed> reclaim_object(const char *name, const char *prefix, std::uint32_t flags);
Result<Reclaimed> reclaim_all(const char *prefix, std::uint32_t flags);

}  // namespace shmalloc
