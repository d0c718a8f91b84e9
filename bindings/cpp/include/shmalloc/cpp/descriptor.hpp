/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/descriptor.hpp - a file descriptor that is closed at the end of its scope. */
#ifndef SHMALLOC_CPP_DESCRIPTOR_HPP
#define SHMALLOC_CPP_DESCRIPTOR_HPP

#include <unistd.h>

#include <utility>

namespace shmalloc {
inline namespace v0 {

class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor &&other) noexcept : number_(other.detach()) {}
  Descriptor &operator=(Descriptor &&other) noexcept {
    Descriptor(std::move(other)).swap(*this);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  /** -1: none. It stays this object's. */
  int get() const noexcept { return number_; }
  /** It is the caller's then. */
  int detach() noexcept { return std::exchange(number_, -1); }
  void swap(Descriptor &other) noexcept { std::swap(number_, other.number_); }

 private:
  int number_ = -1;
};

}  // namespace v0
}  // namespace shmalloc

#endif
