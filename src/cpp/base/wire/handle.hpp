// The bytes of a handle, version 1. An ABI of its own: little-endian, fixed widths, no pointers, checked by abi/wire.
//
//   0  magic 'S' 'H' 'M' 'H'     4  major 1        5  minor 0       6  length of all, u16
//   8  crc32c of what follows   12  kind, u32     16  device        24  size          32  capacity      40  offset of the data in the object
//  48  flags, u32               52  route, u8 and 3 zero bytes      56  object's st_dev, inode, birth   80  header bytes before the data, u32
//  84  exporter's pid, i32      88  its start time                  96  its descriptor's number, i32   100  length of the name, u16, 2 zero bytes
// 104  the name, without a zero byte
// Of kind SHARED, from minor 1 on, the object is the segment's control, and behind the name stand:
//   0  segment's id, 16 bytes   16  slot, u32   20  generation, u32   24  exporter's descriptor of the data, i32, 4 zero bytes
//  32  the data's st_dev, inode, birth
// A reader of another minor version takes what it knows and skips the rest; one of another major version refuses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shmalloc::wire {

inline constexpr std::uint8_t kHandleMagic[4] = {'S', 'H', 'M', 'H'};
inline constexpr std::uint8_t kHandleMajor = 1;
inline constexpr std::uint8_t kHandleMinor = 0;         // what is written
inline constexpr std::uint8_t kHandleMinorSegment = 1;  // .. of kind SHARED
inline constexpr std::size_t kSegmentPart = 56;
inline constexpr std::uint32_t kSegmentKind = 4;  // SHMALLOC_ALLOCATOR_KIND_SHARED
inline constexpr std::size_t kHandleFixed = 104;
inline constexpr std::size_t kHandleMax = 512;
inline constexpr std::size_t kHandleNameMax = kHandleMax - kHandleFixed;

struct Handle {
  std::uint8_t major = kHandleMajor;
  std::uint8_t minor = kHandleMinor;
  std::uint32_t kind = 0;
  std::uint64_t device = 0;
  std::uint64_t size = 0;
  std::uint64_t capacity = 0;
  std::uint64_t offset = 0;
  std::uint32_t flags = 0;
  std::uint8_t route = 0;
  std::uint64_t object_device = 0;
  std::uint64_t inode = 0;
  std::uint64_t born_ns = 0;
  std::uint32_t header = 0;
  std::int32_t pid = 0;
  std::uint64_t started = 0;
  std::int32_t fd = -1;
  std::string_view name;  // of a decoded handle: inside its bytes
  std::uint8_t segment[16] = {};
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::int32_t data_fd = -1;
  std::uint64_t data_device = 0;
  std::uint64_t data_inode = 0;
  std::uint64_t data_born_ns = 0;

  bool in_segment() const { return kind == kSegmentKind; }
};

enum class Decoded { ok, corrupt, version };

// Returns the length. The name fits, the caller saw to that.
std::size_t encode(const Handle &handle, std::uint8_t *bytes);
// Checks everything that can be checked without the object; `why` is set when the answer is not ok.
Decoded decode(const std::uint8_t *bytes, std::size_t length, Handle *out, const char **why);

}  // namespace shmalloc::wire
