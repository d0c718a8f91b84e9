/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/log.hpp - hearing what no call can return. */
#ifndef SHMALLOC_CPP_LOG_HPP
#define SHMALLOC_CPP_LOG_HPP

#include <functional>
#include <memory>

#include "shmalloc/cpp/error.hpp"

namespace shmalloc {
inline namespace v0 {

enum class LogLevel : std::int32_t {
  error = SHMALLOC_LOG_LEVEL_ERROR,     /**< something could not be given back */
  warning = SHMALLOC_LOG_LEVEL_WARNING, /**< something is not as asked */
  note = SHMALLOC_LOG_LEVEL_NOTE
};

/** Hears one line, which lives during the call only. Runs on any thread, on several at once. */
using LogListener = std::function<void(LogLevel level, std::string_view line)>;

/** Take the listener off. When this returns it runs no more, and is destroyed. BusyError: called by a listener. */
inline void clear_log() {
  detail::call(shmalloc_set_log, shmalloc_log_fn{nullptr}, SHMALLOC_LOG_LEVEL_NONE, static_cast<void *>(nullptr),
               shmalloc_destroy_fn{nullptr});
}

/** Hear each line of at least this importance, in place of the listener before. There is one for the whole process; take yours off before
 *  what it uses is gone. What a listener throws is lost, as the line is. */
inline void set_log(LogListener listener, LogLevel level = LogLevel::note) {
  if (!listener) return clear_log();
  const auto hear = [](std::int32_t line_level, const char *message, void *userdata) noexcept {
    try {
      (*static_cast<const LogListener *>(userdata))(static_cast<LogLevel>(line_level), message);
    } catch (...) {  // NOLINT(bugprone-empty-catch): the line is from the middle of somebody else's call
    }
  };
  const auto drop = [](void *userdata) noexcept { delete static_cast<LogListener *>(userdata); };
  auto kept = std::make_unique<LogListener>(std::move(listener));
  detail::call(shmalloc_set_log, static_cast<shmalloc_log_fn>(hear), static_cast<shmalloc_log_level>(level),
               static_cast<void *>(kept.release()), static_cast<shmalloc_destroy_fn>(drop));
}

}  // namespace v0
}  // namespace shmalloc

#endif
