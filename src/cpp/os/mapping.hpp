// Owns a range of the address space.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.hpp"

namespace shmalloc::os {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept : base_(other.base_), size_(other.size_) {
    other.base_ = nullptr;
    other.size_ = 0;
  }
  Mapping &operator=(Mapping &&other) noexcept {
    if (this != &other) {
      reset();
      base_ = other.base_;
      size_ = other.size_;
      other.base_ = nullptr;
      other.size_ = 0;
    }
    return *this;
  }
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping() { reset(); }

  // Maps `size` bytes of a file from `offset`, at a multiple of `alignment` (a power of two). fd -1: nothing, anonymous memory.
  static Result<Mapping> map(int fd, std::uint64_t offset, std::size_t size, int protection, int flags, std::size_t alignment,
                             const char *what);
  // Private memory, all zero. From kHugePage on it begins at a multiple of that, and has huge pages where the system lets it have them.
  static Result<Mapping> anonymous(std::size_t size, const char *what);
  // Maps the same range of a file anew in place of what is mapped here now.
  Result<void> replace(int fd, std::uint64_t offset, int protection, int flags, const char *what);
  // Binds the memory behind it to a NUMA node.
  Result<void> bind(int node);
  // Touches every page of the first `size` bytes without a SIGBUS when one can't be had.
  Result<void> populate(std::size_t size, bool write, const char *what);

  void reset();
  // For one that this process did not inherit by fork.
  void forget() {
    base_ = nullptr;
    size_ = 0;
  }
  // Whether a forked child gets it.
  Result<void> inherit(bool inherited);
  void *base() const { return base_; }
  std::size_t size() const { return size_; }
  explicit operator bool() const { return base_ != nullptr; }

 private:
  void *base_ = nullptr;
  std::size_t size_ = 0;
};

// Copies so that memory which a peer truncates meanwhile is an error (EFAULT), not a SIGBUS. errno, or 0.
int checked_copy(void *to, const void *from, std::size_t size);
// Adds to a number in shared memory atomically, by the kernel, so that memory which is gone is an error (EFAULT), not a SIGBUS.
int checked_add(std::int32_t *number, std::int32_t by);

}  // namespace shmalloc::os
