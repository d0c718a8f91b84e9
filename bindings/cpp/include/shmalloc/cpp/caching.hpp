/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/caching.hpp - settings and numbers of allocators of kind caching. */
#ifndef SHMALLOC_CPP_CACHING_HPP
#define SHMALLOC_CPP_CACHING_HPP

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "shmalloc/allocator.h"
#include "shmalloc/cpp/device.hpp"

namespace shmalloc {
inline namespace v0 {

/** Settings of kind caching; what has no value stays as it is. See shmalloc_caching_params. */
struct CachingOptions {
  static constexpr std::uint64_t unlimited = UINT64_MAX;

  std::optional<std::uint64_t> max_split_size{};                    /**< bytes, whole MiB; unlimited */
  std::optional<std::uint64_t> max_non_split_rounding{};            /**< bytes, whole MiB */
  std::optional<std::uint64_t> large_segment_size{};                /**< bytes, whole MiB */
  std::optional<std::uint32_t> garbage_collection_ppm{};            /**< millionths of the limit; 0: never */
  std::optional<std::uint32_t> memory_ppm{};                        /**< millionths of the device's memory; 0: nothing may be had */
  std::optional<std::array<std::uint32_t, 16>> roundup_divisions{}; /**< of sizes from 2^n MiB; 1: none */
};

/** What might be had, and what is cached; see shmalloc_cache_info. */
struct CacheInfo {
  std::uint64_t largest = 0;
  std::uint64_t cached = 0;
  std::uint64_t available = 0;
  std::uint64_t total = 0;
};

/** What a device gave in one piece. */
struct Segment {
  Address address = 0;
  std::uint64_t size = 0;
};

namespace detail {

/* The C library's fields have another number for "nothing", since 0 leaves a setting as it is. */
template <class Number>
Number setting_of(const std::optional<Number> &value, Number zero, const char *name) {
  if (!value) return 0;
  if (*value != 0) return *value;
  if (zero == 0) throw InvalidError(std::string(name) + " can't be 0");
  return zero;
}

inline shmalloc_caching_params params_of(const CachingOptions &options) {
  auto params = SHMALLOC_INIT(shmalloc_caching_params);
  params.max_split_size = setting_of<std::uint64_t>(options.max_split_size, 0, "max_split_size");
  params.max_non_split_rounding = setting_of<std::uint64_t>(options.max_non_split_rounding, 0, "max_non_split_rounding");
  params.large_segment_size = setting_of<std::uint64_t>(options.large_segment_size, 0, "large_segment_size");
  params.garbage_collection_ppm = setting_of<std::uint32_t>(options.garbage_collection_ppm, UINT32_MAX, "garbage_collection_ppm");
  params.memory_ppm = setting_of<std::uint32_t>(options.memory_ppm, UINT32_MAX, "memory_ppm");
  if (options.roundup_divisions)
    std::copy(options.roundup_divisions->begin(), options.roundup_divisions->end(), std::begin(params.roundup_divisions));
  return params;
}

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
