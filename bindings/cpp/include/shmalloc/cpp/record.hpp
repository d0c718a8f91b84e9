/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/record.hpp - the bytes that came along with a storage. */
#ifndef SHMALLOC_CPP_RECORD_HPP
#define SHMALLOC_CPP_RECORD_HPP

#include <array>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "shmalloc/cpp/bytes.hpp"

namespace shmalloc {
inline namespace v0 {

/** At most as many bytes as the channel's record_size. Few, as is usual, lie in this object itself. */
class Record {
 public:
  const std::byte *data() const noexcept { return many_.empty() ? few_.data() : many_.data(); }
  std::size_t size() const noexcept { return many_.empty() ? few_size_ : many_.size(); }
  bool empty() const noexcept { return size() == 0; }
  const std::byte *begin() const noexcept { return data(); }
  const std::byte *end() const noexcept { return data() + size(); }

  std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data()), size()}; }

  /** The value that was sent by Bytes::of. std::length_error: it is not as long. */
  template <class Value>
  Value as() const {
    static_assert(std::is_trivially_copyable_v<Value>, "a record has only what can be copied as bytes");
    if (size() != sizeof(Value)) throw std::length_error("the record is not as long as the value");
    Value value;
    std::memcpy(&value, data(), sizeof value);
    return value;
  }

 private:
  friend class Channel;

  std::uint8_t *octets() noexcept { return reinterpret_cast<std::uint8_t *>(many_.empty() ? few_.data() : many_.data()); }
  std::size_t room() const noexcept { return many_.empty() ? few_.size() : many_.size(); }
  void make_room(std::size_t size) { many_.resize(size); }
  /* To what came: never more than room(). */
  void set_size(std::size_t size) noexcept {
    if (many_.empty())
      few_size_ = size;
    else
      many_.resize(size);
  }

  std::array<std::byte, 32> few_{};
  std::size_t few_size_ = 0;
  std::vector<std::byte> many_;
};

}  // namespace v0
}  // namespace shmalloc

#endif
