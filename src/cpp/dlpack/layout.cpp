#include "dlpack/layout.hpp"

#include <array>

namespace shmalloc {
namespace {

std::uint32_t bits_of(const shmalloc_tensor &tensor) {
  return std::uint32_t{tensor.bits} * (tensor.lanes != 0 ? tensor.lanes : 1U);
}

// How many elements, if that is a number; its strides would be numbers, too.
std::optional<std::int64_t> count_of(const shmalloc_tensor &tensor) {
  bool none = false;
  for (std::int32_t i = 0; i < tensor.ndim; ++i) {
    if (tensor.shape[i] < 0) return std::nullopt;
    none = none || tensor.shape[i] == 0;
  }
  if (none) return 0;
  std::int64_t count = 1;
  for (std::int32_t i = 0; i < tensor.ndim; ++i) {
    if (__builtin_mul_overflow(count, tensor.shape[i], &count)) return std::nullopt;
  }
  return count;
}

}  // namespace

void fill_strides(const std::int64_t *shape, std::int32_t ndim, std::int64_t *strides) {
  std::uint64_t step = 1;  // where a dimension is 0 it may wrap, and means nothing
  for (std::int32_t i = ndim; i-- > 0;) {
    strides[i] = static_cast<std::int64_t>(step);
    step *= static_cast<std::uint64_t>(shape[i]);
  }
}

std::optional<Extent> extent_of(const shmalloc_tensor &tensor) {
  const std::uint32_t bits = bits_of(tensor);
  const std::optional<std::int64_t> count = count_of(tensor);
  if (bits == 0 || !count) return std::nullopt;
  if (*count == 0) return Extent{0, 0};
  std::array<std::int64_t, kMaxDimensions> usual{};
  fill_strides(tensor.shape, tensor.ndim, usual.data());
  std::int64_t lowest = 0;
  std::int64_t highest = 0;
  bool one_behind_the_other = true;
  for (std::int32_t i = 0; i < tensor.ndim; ++i) {
    const std::int64_t stride = tensor.strides != nullptr ? tensor.strides[i] : usual.at(static_cast<std::size_t>(i));
    one_behind_the_other = one_behind_the_other && (tensor.shape[i] == 1 || stride == usual.at(static_cast<std::size_t>(i)));
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, stride, &reach)) return std::nullopt;
    if (__builtin_add_overflow(reach < 0 ? lowest : highest, reach, reach < 0 ? &lowest : &highest)) return std::nullopt;
  }
  Extent extent{};
  if (bits % 8 != 0 && (tensor.flags & SHMALLOC_TENSOR_PADDED) == 0) {
    std::uint64_t all = 0;
    if (!one_behind_the_other || __builtin_mul_overflow(static_cast<std::uint64_t>(*count), bits, &all)) return std::nullopt;
    extent.after = all / 8 + (all % 8 != 0 ? 1 : 0);
    return extent;
  }
  const std::uint64_t bytes = (bits + 7) / 8;
  if (__builtin_mul_overflow(0 - static_cast<std::uint64_t>(lowest), bytes, &extent.before)) return std::nullopt;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(highest) + 1, bytes, &extent.after)) return std::nullopt;
  return extent;
}

}  // namespace shmalloc
