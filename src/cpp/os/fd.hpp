// Owns a descriptor.
#pragma once

#include <cerrno>

#include "os/calls.hpp"

namespace shmalloc::os {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd &&other) noexcept : fd_(other.take()) {}
  UniqueFd &operator=(UniqueFd &&other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.take();
    }
    return *this;
  }
  UniqueFd(const UniqueFd &) = delete;
  UniqueFd &operator=(const UniqueFd &) = delete;
  ~UniqueFd() { reset(); }

  // Linux closes the descriptor whatever close answers, so there is nothing to do about a failure.
  void reset() {
    if (fd_ < 0) return;
    const int saved = errno;
    calls.close(fd_);
    errno = saved;
    fd_ = -1;
  }
  int take() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace shmalloc::os
