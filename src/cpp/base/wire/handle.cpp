#include "base/wire/handle.hpp"

#include <cstring>

#include "base/text.hpp"

namespace shmalloc::wire {
namespace {

class Writer {
 public:
  explicit Writer(std::uint8_t *at) : at_(at) {}
  void put(std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) *at_++ = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  std::uint8_t *at_;
};

class Reader {
 public:
  explicit Reader(const std::uint8_t *at) : at_(at) {}
  std::uint64_t get(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(*at_++) << (8 * i);
    return value;
  }

 private:
  const std::uint8_t *at_;
};

}  // namespace

std::size_t encode(const Handle &handle, std::uint8_t *bytes) {
  const std::size_t length = kHandleFixed + handle.name.size() + (handle.in_segment() ? kSegmentPart : 0);
  Writer body(bytes + 12);
  body.put(handle.kind, 4);
  body.put(handle.device, 8);
  body.put(handle.size, 8);
  body.put(handle.capacity, 8);
  body.put(handle.offset, 8);
  body.put(handle.flags, 4);
  body.put(handle.route, 4);
  body.put(handle.object_device, 8);
  body.put(handle.inode, 8);
  body.put(handle.born_ns, 8);
  body.put(handle.header, 4);
  body.put(static_cast<std::uint32_t>(handle.pid), 4);
  body.put(handle.started, 8);
  body.put(static_cast<std::uint32_t>(handle.fd), 4);
  body.put(handle.name.size(), 4);
  if (!handle.name.empty()) std::memcpy(bytes + kHandleFixed, handle.name.data(), handle.name.size());
  if (handle.in_segment()) {
    std::uint8_t *part = bytes + kHandleFixed + handle.name.size();
    std::memcpy(part, handle.segment, sizeof handle.segment);
    Writer segment(part + sizeof handle.segment);
    segment.put(handle.slot, 4);
    segment.put(handle.generation, 4);
    segment.put(static_cast<std::uint32_t>(handle.data_fd), 4);
    segment.put(0, 4);
    segment.put(handle.data_device, 8);
    segment.put(handle.data_inode, 8);
    segment.put(handle.data_born_ns, 8);
  }
  std::memcpy(bytes, kHandleMagic, 4);
  Writer head(bytes + 4);
  head.put(handle.major, 1);
  head.put(handle.in_segment() ? kHandleMinorSegment : handle.minor, 1);
  head.put(length, 2);
  head.put(crc32c(bytes + 12, length - 12), 4);
  return length;
}

Decoded decode(const std::uint8_t *bytes, std::size_t length, Handle *out, const char **why) {
  const auto corrupt = [why](const char *text) {
    *why = text;
    return Decoded::corrupt;
  };
  if (length < 12) return corrupt("it is too short");
  if (std::memcmp(bytes, kHandleMagic, 4) != 0) return corrupt("it does not begin as a handle does");
  Reader head(bytes + 4);
  out->major = static_cast<std::uint8_t>(head.get(1));
  out->minor = static_cast<std::uint8_t>(head.get(1));
  if (out->major != kHandleMajor) {
    *why = "its format is newer";
    return Decoded::version;
  }
  if (head.get(2) != length || length < kHandleFixed || length > kHandleMax)
    return corrupt("its length is wrong: it was cut or padded");
  if (head.get(4) != crc32c(bytes + 12, length - 12)) return corrupt("its checksum is wrong: it was damaged or forged");
  Reader body(bytes + 12);
  out->kind = static_cast<std::uint32_t>(body.get(4));
  out->device = body.get(8);
  out->size = body.get(8);
  out->capacity = body.get(8);
  out->offset = body.get(8);
  out->flags = static_cast<std::uint32_t>(body.get(4));
  out->route = static_cast<std::uint8_t>(body.get(4));
  out->object_device = body.get(8);
  out->inode = body.get(8);
  out->born_ns = body.get(8);
  out->header = static_cast<std::uint32_t>(body.get(4));
  out->pid = static_cast<std::int32_t>(body.get(4));
  out->started = body.get(8);
  out->fd = static_cast<std::int32_t>(body.get(4));
  const std::uint64_t name = body.get(4) & 0xffffU;
  if (kHandleFixed + name > length) return corrupt("its name does not fit in it");
  out->name = std::string_view(reinterpret_cast<const char *>(bytes) + kHandleFixed, name);
  if (out->name.find('\0') != std::string_view::npos) return corrupt("its name has a zero byte");
  if (out->in_segment()) {
    if (kHandleFixed + name + kSegmentPart > length || out->header != 0 || out->size != out->capacity)
      return corrupt("it does not say where in its segment it is");
    const std::uint8_t *part = bytes + kHandleFixed + name;
    std::memcpy(out->segment, part, sizeof out->segment);
    Reader segment(part + sizeof out->segment);
    out->slot = static_cast<std::uint32_t>(segment.get(4));
    out->generation = static_cast<std::uint32_t>(segment.get(4));
    out->data_fd = static_cast<std::int32_t>(segment.get(4));
    static_cast<void>(segment.get(4));
    out->data_device = segment.get(8);
    out->data_inode = segment.get(8);
    out->data_born_ns = segment.get(8);
  }
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 62;
  if (out->size > kLargest || out->capacity > kLargest || out->offset > kLargest || out->size > out->capacity) {
    return corrupt("its sizes can't be");
  }
  return Decoded::ok;
}

}  // namespace shmalloc::wire
