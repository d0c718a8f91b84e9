// What the caching allocator can be told in PyTorch's text, key:value,key:[value,value], strictly.
//
// A text changes what it names, all of it or nothing; whatever it does not name stays as it was. So a second text never takes back what
// a first one set, and format() always tells what is in force.
#pragma once

#include <string>
#include <string_view>

#include "allocators/caching/rounding.hpp"
#include "base/result.hpp"
#include "shmalloc/allocator.h"

namespace shmalloc::caching {

struct Settings {
  std::uint64_t max_split = kUnlimited;  // bytes: blocks from here on are oversize, and not split
  std::uint64_t non_split_rounding = kNonSplitRounding;
  std::uint64_t large_segment = kLargeSegment;
  Divisions divisions;
  double collect_from = 0;  // the part of the limit from which what was not used for long is given back; 0: never
  double fraction = 1;      // of the device's memory that may be reserved
};

// Spaces are ignored. An error names the key.
Result<Settings> parse(const Settings &settings, std::string_view text);
// The same by fields. An error names the field.
Result<Settings> parse(const Settings &settings, const shmalloc_caching_params &params);
// All of them, as parse reads them.
std::string format(const Settings &settings);
// The value of one key; NOT_FOUND.
Result<std::string> format_one(const Settings &settings, std::string_view name);

}  // namespace shmalloc::caching
