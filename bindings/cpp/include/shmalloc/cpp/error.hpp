/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/error.hpp - what calls throw: Error, with one class derived from it for each status. */
#ifndef SHMALLOC_CPP_ERROR_HPP
#define SHMALLOC_CPP_ERROR_HPP

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "shmalloc/base.h"

namespace shmalloc {
/* A name of its own in every symbol: the library has classes of the same names inside, and a program may link it statically. */
inline namespace v0 {

/** Why a call failed; shmalloc_status has the meanings. */
enum class Status : std::int32_t {
  ok = SHMALLOC_STATUS_OK,
  invalid = SHMALLOC_STATUS_INVALID,
  no_memory = SHMALLOC_STATUS_NO_MEMORY,
  no_space = SHMALLOC_STATUS_NO_SPACE,
  not_found = SHMALLOC_STATUS_NOT_FOUND,
  exists = SHMALLOC_STATUS_EXISTS,
  permission = SHMALLOC_STATUS_PERMISSION,
  busy = SHMALLOC_STATUS_BUSY,
  timeout = SHMALLOC_STATUS_TIMEOUT,
  unsupported = SHMALLOC_STATUS_UNSUPPORTED,
  version = SHMALLOC_STATUS_VERSION,
  corrupt = SHMALLOC_STATUS_CORRUPT,
  stale = SHMALLOC_STATUS_STALE,
  peer_gone = SHMALLOC_STATUS_PEER_GONE,
  closed = SHMALLOC_STATUS_CLOSED,
  interrupted = SHMALLOC_STATUS_INTERRUPTED,
  system = SHMALLOC_STATUS_SYSTEM,
  backend = SHMALLOC_STATUS_BACKEND,
  internal = SHMALLOC_STATUS_INTERNAL
};

/** "NO_SPACE". */
inline const char *status_name(Status status) noexcept { return shmalloc_status_name(static_cast<std::int32_t>(status)); }

/** A call failed. what() says what was tried, on what, why it failed and what to do about it. */
class SHMALLOC_API Error : public std::runtime_error {
 public:
  Error(Status status, const std::string &message, int os_error = 0, std::int64_t backend_error = 0)
      : std::runtime_error(message), backend_error_(backend_error), status_(status), os_error_(os_error) {}

  Status status() const noexcept { return status_; }
  /** The system's errno, or 0. */
  int os_error() const noexcept { return os_error_; }
  /** A driver's own code, or 0. */
  std::int64_t backend_error() const noexcept { return backend_error_; }
  /** os_error() for those who compare with std::errc. */
  std::error_code code() const noexcept { return {os_error_, std::generic_category()}; }

 private:
  std::int64_t backend_error_;
  Status status_;
  int os_error_;
};

/** The class of one status. */
template <Status kStatus>
class SHMALLOC_API StatusError final : public Error {
 public:
  explicit StatusError(const std::string &message, int os_error = 0, std::int64_t backend_error = 0)
      : Error(kStatus, message, os_error, backend_error) {}
};

using InvalidError = StatusError<Status::invalid>;
using NoMemoryError = StatusError<Status::no_memory>;
using NoSpaceError = StatusError<Status::no_space>;
using NotFoundError = StatusError<Status::not_found>;
using ExistsError = StatusError<Status::exists>;
using PermissionError = StatusError<Status::permission>;
using BusyError = StatusError<Status::busy>;
using TimeoutError = StatusError<Status::timeout>;
using UnsupportedError = StatusError<Status::unsupported>;
using VersionError = StatusError<Status::version>;
using CorruptError = StatusError<Status::corrupt>;
using StaleError = StatusError<Status::stale>;
using PeerGoneError = StatusError<Status::peer_gone>;
using ClosedError = StatusError<Status::closed>;
using InterruptedError = StatusError<Status::interrupted>;
using SystemError = StatusError<Status::system>;
using BackendError = StatusError<Status::backend>;
using InternalError = StatusError<Status::internal>;

namespace detail {

template <Status kStatus>
[[noreturn]] void throw_as(const shmalloc_error &error) {
  throw StatusError<kStatus>(error.message, error.os_error, error.backend_error);
}

[[noreturn]] inline void throw_error(const shmalloc_error &error) {
  switch (static_cast<Status>(error.status)) {
    case Status::invalid:
      throw_as<Status::invalid>(error);
    case Status::no_memory:
      throw_as<Status::no_memory>(error);
    case Status::no_space:
      throw_as<Status::no_space>(error);
    case Status::not_found:
      throw_as<Status::not_found>(error);
    case Status::exists:
      throw_as<Status::exists>(error);
    case Status::permission:
      throw_as<Status::permission>(error);
    case Status::busy:
      throw_as<Status::busy>(error);
    case Status::timeout:
      throw_as<Status::timeout>(error);
    case Status::unsupported:
      throw_as<Status::unsupported>(error);
    case Status::version:
      throw_as<Status::version>(error);
    case Status::corrupt:
      throw_as<Status::corrupt>(error);
    case Status::stale:
      throw_as<Status::stale>(error);
    case Status::peer_gone:
      throw_as<Status::peer_gone>(error);
    case Status::closed:
      throw_as<Status::closed>(error);
    case Status::interrupted:
      throw_as<Status::interrupted>(error);
    case Status::system:
      throw_as<Status::system>(error);
    case Status::backend:
      throw_as<Status::backend>(error);
    case Status::ok:
    case Status::internal:
      break;
  }
  throw_as<Status::internal>(error);  // also what a later version of the library answers and this header does not know
}

/* Calls a function of the library, the error left out, and throws what it answers. */
template <class... Parameters, class... Arguments>
void call(shmalloc_status (*function)(Parameters...), Arguments... arguments) {
  shmalloc_error error;
  if (function(arguments..., &error) != SHMALLOC_STATUS_OK) throw_error(error);
}

/* The same for one that ends with a text and its length. */
template <class... Parameters, class... Arguments>
std::string text_of(shmalloc_status (*function)(Parameters...), Arguments... arguments) {
  std::string text(128, '\0');
  for (;;) {
    std::size_t length = text.size();
    shmalloc_error error;
    const shmalloc_status status = function(arguments..., text.data(), &length, &error);
    if (status == SHMALLOC_STATUS_OK) {
      text.resize(length - 1);
      return text;
    }
    if (status != SHMALLOC_STATUS_NO_SPACE || length <= text.size()) throw_error(error);
    text.resize(length);
  }
}

/* Text for the library, which ends at a zero byte: so there must be none in it. */
class Text {
 public:
  explicit Text(std::string_view text) : text_(text) {
    if (text_.find('\0') != std::string::npos) throw InvalidError("text with a zero byte in it");
  }
  const char *get() const noexcept { return text_.c_str(); }
  /* Empty text where that means the default. */
  const char *or_null() const noexcept { return text_.empty() ? nullptr : text_.c_str(); }

 private:
  std::string text_;
};

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
