// What is told when memory is out: facts, and a text that a person can act on.
#pragma once

#include <string>

#include "allocators/caching/settings.hpp"
#include "base/result.hpp"
#include "device/backend.hpp"

namespace shmalloc::caching {

struct OutOfMemory {
  struct Pool {
    std::uint64_t segments = 0, reserved = 0, active = 0, largest_free = 0;
  };
  std::uint64_t requested = 0, rounded = 0;
  device::Stream stream = 0;
  std::uint64_t total = 0, available = 0;  // of the device
  bool available_known = false;
  std::uint64_t limit = 0;  // what may be reserved: the device's total, if nobody set less
  std::uint64_t reserved = 0, allocated = 0, asked_for = 0, pending = 0;
  Pool pools[2];  // small, large
  bool in_capture = false;
  bool at_limit = false;  // the device was not asked
  double fraction = 1;
  std::uint64_t max_split = kUnlimited;

  std::uint64_t largest_free() const { return std::max(pools[0].largest_free, pools[1].largest_free); }
  std::uint64_t free() const {
    const std::uint64_t used = pools[0].active + pools[1].active;
    return reserved > used ? reserved - used : 0;
  }
  // Of what is free and cached, the part that is not in the largest block: 0 to 100.
  int fragmentation() const {
    const std::uint64_t all = free();
    return all == 0 ? 0 : static_cast<int>(100 - std::min<std::uint64_t>(100, largest_free() * 100 / all));
  }
};

Error error_of(const OutOfMemory &facts);
// Throws bad_alloc.
std::string report_of(const OutOfMemory &facts, const std::string &device);

}  // namespace shmalloc::caching
