/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/bytes.hpp - bytes that a call reads: of text, of a container, of a struct. */
#ifndef SHMALLOC_CPP_BYTES_HPP
#define SHMALLOC_CPP_BYTES_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace shmalloc {
inline namespace v0 {

/** Bytes that belong to somebody else; a parameter, not a thing to keep. */
class Bytes {
 public:
  Bytes() noexcept = default;
  Bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const std::byte *>(data)), size_(size) {}

  /** The characters of text, a literal's zero byte left out. */
  template <class Text, std::enable_if_t<std::is_convertible_v<const Text &, std::string_view>, int> = 0>
  Bytes(const Text &text) noexcept  // NOLINT(google-explicit-constructor): arguments shall just fit
      : Bytes(std::string_view(text).data(), std::string_view(text).size()) {}

  /** The elements of a container, an array or a span. */
  template <class Container, class Element = std::remove_pointer_t<decltype(std::data(std::declval<const Container &>()))>,
            std::enable_if_t<std::is_trivially_copyable_v<Element> && !std::is_convertible_v<const Container &, std::string_view>,
                             int> = 0>
  Bytes(const Container &container) noexcept  // NOLINT(google-explicit-constructor): as above
      : Bytes(std::data(container), std::size(container) * sizeof(Element)) {}

  /** The bytes of one value. */
  template <class Value>
  static Bytes of(const Value &value) noexcept {
    static_assert(std::is_trivially_copyable_v<Value>, "only the bytes of what can be copied as bytes mean something elsewhere");
    return {&value, sizeof value};
  }

  const std::byte *data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  /* As the C library takes them. */
  const std::uint8_t *octets() const noexcept { return reinterpret_cast<const std::uint8_t *>(data_); }

 private:
  const std::byte *data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace v0
}  // namespace shmalloc

#endif
