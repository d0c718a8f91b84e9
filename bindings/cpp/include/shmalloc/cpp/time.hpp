/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/time.hpp - timeouts and times to live. */
#ifndef SHMALLOC_CPP_TIME_HPP
#define SHMALLOC_CPP_TIME_HPP

#include <chrono>
#include <cstdint>
#include <optional>

#include "shmalloc/base.h"

namespace shmalloc {
inline namespace v0 {

/** How long: any duration. Nothing: what is usual there. 0 or less: no time at all. */
using Timeout = std::optional<std::chrono::nanoseconds>;

/** A duration without an end. */
inline constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

namespace detail {

constexpr std::int64_t nanoseconds(const Timeout &time) noexcept {
  if (!time) return SHMALLOC_TIME_DEFAULT;
  if (*time == forever) return SHMALLOC_TIME_FOREVER;
  return time->count() <= 0 ? SHMALLOC_TIME_NONE : time->count();
}

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
