// A table of things in the order of their `begin`: few enough that moving what lies behind a new one costs nothing beside the system call
// that it stands for. Room is made before anything is done, so that entering what was done can't fail.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "base/result.hpp"

namespace shmalloc::device {

template <class T>
class Sorted {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Sorted() = default;
  Sorted(const Sorted &) = delete;
  Sorted &operator=(const Sorted &) = delete;
  ~Sorted() { delete[] all_; }

  T *begin() { return all_; }
  T *end() { return all_ + count_; }

  Result<void> make_room() {
    if (count_ < room_) return {};
    const std::size_t room = room_ == 0 ? 16 : room_ * 2;
    T *all = new (std::nothrow) T[room];
    if (all == nullptr) return fail(SHMALLOC_STATUS_NO_MEMORY, 0, "no memory for a device's tables");
    std::copy(begin(), end(), all);
    delete[] all_;
    all_ = all;
    room_ = room;
    return {};
  }
  // Room was made.
  void insert(const T &value) {
    T *at = lower(value.begin);
    std::copy_backward(at, end(), end() + 1);
    *at = value;
    ++count_;
  }
  void erase(T *first, T *last) {
    std::copy(last, end(), first);
    count_ -= static_cast<std::size_t>(last - first);
  }
  // The first that does not begin before.
  T *lower(std::uint64_t begin) {
    return std::lower_bound(this->begin(), end(), begin, [](const T &one, std::uint64_t key) { return one.begin < key; });
  }
  // The one that begins there, or NULL.
  T *find(std::uint64_t begin) {
    T *at = lower(begin);
    return at != end() && at->begin == begin ? at : nullptr;
  }
  // The last that does not begin behind, or NULL.
  T *before(std::uint64_t begin) {
    T *at = std::upper_bound(this->begin(), end(), begin, [](std::uint64_t key, const T &one) { return key < one.begin; });
    return at != this->begin() ? at - 1 : nullptr;
  }

 private:
  T *all_ = nullptr;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

}  // namespace shmalloc::device
