/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/view.hpp - the bytes of a storage, for as long as they are looked at. */
#ifndef SHMALLOC_CPP_VIEW_HPP
#define SHMALLOC_CPP_VIEW_HPP

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "shmalloc/cpp/error.hpp"
#include "shmalloc/storage.h"

#if defined(__has_include) && __cplusplus >= 202002L
#if __has_include(<span>)
#include <span>
#endif
#endif

namespace shmalloc {
inline namespace v0 {

class Storage;

/** A pin: while this lives, the bytes stay where they are, and nobody can close, move or (while it is writable) seal the storage. It is
 *  also a reference, so it may outlive the Storage it came from. It keeps the length that the storage had; a later grow() needs another
 *  view. Different threads may use one view. */
template <class Byte>
class BasicView {
  static_assert(std::is_same_v<std::remove_const_t<Byte>, std::byte>, "a view is of std::byte or of const std::byte");
  template <class Element>
  using Like = std::conditional_t<std::is_const_v<Byte>, const Element, Element>;

 public:
  using element_type = Byte;
  using value_type = std::byte;
  using size_type = std::size_t;
  using iterator = Byte *;

  /** Empty, over nothing. */
  BasicView() noexcept = default;
  BasicView(BasicView &&other) noexcept { swap(other); }
  BasicView &operator=(BasicView &&other) noexcept {
    BasicView(std::move(other)).swap(*this);
    return *this;
  }
  ~BasicView() { release(); }

  Byte *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  Byte *begin() const noexcept { return data_; }
  Byte *end() const noexcept { return data_ + size_; }
  Byte &operator[](std::size_t index) const noexcept { return data_[index]; }

  /** The `count` elements that begin `offset` bytes into it. std::out_of_range: they do not lie in the view; std::invalid_argument: not
   *  at an address where such an element can lie. */
  template <class Element>
  Like<Element> *as(std::size_t offset = 0, std::size_t count = 1) const {
    static_assert(std::is_trivially_copyable_v<Element>, "memory that processes share has only what can be copied as bytes");
    if (offset > size_ || count > (size_ - offset) / sizeof(Element))
      throw std::out_of_range("the elements do not lie in the storage's bytes");
    if (reinterpret_cast<std::uintptr_t>(data_ + offset) % alignof(Element) != 0)
      throw std::invalid_argument("no such element can begin at that offset");
    return reinterpret_cast<Like<Element> *>(data_ + offset);
  }

#ifdef __cpp_lib_span
  std::span<Byte> bytes() const noexcept { return {data_, size_}; }

  /** As many elements as fit in. */
  template <class Element>
  std::span<Like<Element>> elements() const {
    const std::size_t count = size_ / sizeof(Element);
    return {as<Element>(0, count), count};
  }
#endif

  explicit operator bool() const noexcept { return storage_ != nullptr; }

  /** End it before its scope does. If nobody else holds the storage, its memory goes now. */
  void release() noexcept {
    shmalloc_storage *storage = std::exchange(storage_, nullptr);
    data_ = nullptr;
    size_ = 0;
    if (storage == nullptr) return;
    // An unpin that is the last reference would put the rest off to the next call, as is right for finalizers. Here it is due now.
    shmalloc_storage_retain(storage);
    shmalloc_storage_unpin(storage, kAccess);
    shmalloc_storage_release(storage);
  }

 private:
  friend class Storage;
  static constexpr shmalloc_access kAccess = std::is_const_v<Byte> ? SHMALLOC_ACCESS_READ : SHMALLOC_ACCESS_WRITE;

  explicit BasicView(shmalloc_storage *storage) {
    void *data = nullptr;
    detail::call(shmalloc_storage_pin, storage, kAccess, &data, &size_);
    if (data == nullptr && size_ != 0) {  // the caller has a reference, so this is not the last
      shmalloc_storage_unpin(storage, kAccess);
      throw UnsupportedError("a view of memory that the host can't touch: copy the bytes to a storage of the host's");
    }
    data_ = static_cast<Byte *>(data);
    storage_ = storage;
  }

  void swap(BasicView &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(storage_, other.storage_);
  }

  Byte *data_ = nullptr;
  std::size_t size_ = 0;
  shmalloc_storage *storage_ = nullptr;
};

/** To read and write. */
using View = BasicView<std::byte>;
/** To read. */
using ConstView = BasicView<const std::byte>;

}  // namespace v0
}  // namespace shmalloc

#endif
