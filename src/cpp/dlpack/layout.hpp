// Where the elements of a strided array lie.
#pragma once

#include <cstdint>
#include <optional>

#include "shmalloc/dlpack.h"

namespace shmalloc {

inline constexpr std::int32_t kMaxDimensions = 64;

// Bytes before the first element (whose indices are all 0), and up to the end of the last; both 0 if there are no elements.
struct Extent {
  std::uint64_t before;
  std::uint64_t after;
};

// Nothing if the tensor can't be: a dimension below 0, no bits, numbers too large, packed elements that are not one behind the other.
std::optional<Extent> extent_of(const shmalloc_tensor &tensor);

// The strides of an array whose last index is the fastest. Call for one that extent_of knows.
void fill_strides(const std::int64_t *shape, std::int32_t ndim, std::int64_t *strides);

}  // namespace shmalloc
