// A message of storages on a unix socket, version 1, little-endian:
//   0  magic 'S' 'H' 'M' 'M'   4  major 1, u16   6  minor 0, u16   8  storages, u32   12  descriptors, u32
//  16  length of the payload, u32   20  crc32c of the payload, u32   24  8 zero bytes
// The payload has for each storage: length of its handle, u16; one more than the index of its descriptor, u16 (0: none); the handle.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shmalloc::wire {

inline constexpr std::uint8_t kMessageMagic[4] = {'S', 'H', 'M', 'M'};
inline constexpr std::uint16_t kMessageMajor = 1;
inline constexpr std::uint16_t kMessageMinor = 0;
inline constexpr std::size_t kMessageHead = 32;

struct MessageHead {
  std::uint16_t major = kMessageMajor;
  std::uint16_t minor = kMessageMinor;
  std::uint32_t storages = 0;
  std::uint32_t descriptors = 0;
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};

inline void encode(const MessageHead &head, std::uint8_t *bytes) {
  const auto put = [bytes](std::size_t at, std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) bytes[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  for (std::size_t i = 0; i < kMessageHead; ++i) bytes[i] = i < 4 ? kMessageMagic[i] : 0;
  put(4, head.major, 2);
  put(6, head.minor, 2);
  put(8, head.storages, 4);
  put(12, head.descriptors, 4);
  put(16, head.length, 4);
  put(20, head.checksum, 4);
}

// False if it does not begin as a message does.
inline bool decode(const std::uint8_t *bytes, MessageHead *head) {
  for (std::size_t i = 0; i < 4; ++i) {
    if (bytes[i] != kMessageMagic[i]) return false;
  }
  const auto get = [bytes](std::size_t at, int size) {
    std::uint32_t value = 0;
    for (int i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(bytes[at + static_cast<std::size_t>(i)]) << (8 * i);
    return value;
  };
  head->major = static_cast<std::uint16_t>(get(4, 2));
  head->minor = static_cast<std::uint16_t>(get(6, 2));
  head->storages = get(8, 4);
  head->descriptors = get(12, 4);
  head->length = get(16, 4);
  head->checksum = get(20, 4);
  return true;
}

}  // namespace shmalloc::wire
