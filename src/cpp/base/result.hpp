// A value or an error. Nothing in the library throws on purpose; a failure travels as a Result up to the C boundary.
#pragma once

#include <new>
#include <type_traits>
#include <utility>

#include "base/error.hpp"

namespace shmalloc {

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : ok_(true) { new (&value_) T(std::move(value)); }  // NOLINT(google-explicit-constructor)
  Result(const Error &error) : ok_(false) { new (&error_) Error(error); }
  Result(Result &&other) noexcept : ok_(other.ok_) {
    if (ok_) {
      new (&value_) T(std::move(other.value_));
    } else {
      new (&error_) Error(other.error_);
    }
  }
  Result(const Result &) = delete;
  Result &operator=(const Result &) = delete;
  Result &operator=(Result &&) = delete;
  ~Result() {
    if (ok_) value_.~T();
  }

  explicit operator bool() const { return ok_; }
  T &operator*() { return value_; }
  T *operator->() { return &value_; }
  const Error &error() const { return error_; }

 private:
  bool ok_;
  union {
    T value_;
    Error error_;
  };
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() : ok_(true) {}
  Result(const Error &error) : ok_(false) { new (&error_) Error(error); }  // NOLINT(google-explicit-constructor)
  Result(const Result &other) : ok_(other.ok_) {
    if (!ok_) new (&error_) Error(other.error_);
  }
  Result &operator=(const Result &) = delete;
  ~Result() = default;

  explicit operator bool() const { return ok_; }
  const Error &error() const { return error_; }

 private:
  bool ok_;
  union {
    char none_;
    Error error_;
  };
};

}  // namespace shmalloc

// `SHMALLOC_TRY(name, expression)`: name is the value of the Result, or this function returns its error.
#define SHMALLOC_TRY(name, ...)                     \
  auto name##_result = (__VA_ARGS__);               \
  if (!name##_result) return name##_result.error(); \
  auto &name = *name##_result

// The same for a Result<void>.
#define SHMALLOC_CHECK(...)                                                            \
  do {                                                                                 \
    if (auto check_result = (__VA_ARGS__); !check_result) return check_result.error(); \
  } while (false)
