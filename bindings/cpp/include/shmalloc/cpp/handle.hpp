/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/handle.hpp - the bytes from which another process opens a storage. */
#ifndef SHMALLOC_CPP_HANDLE_HPP
#define SHMALLOC_CPP_HANDLE_HPP

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "shmalloc/cpp/allocator.hpp"
#include "shmalloc/cpp/bytes.hpp"
#include "shmalloc/cpp/time.hpp"
#include "shmalloc/ipc.h"

namespace shmalloc {
inline namespace v0 {

/** What the bytes of a handle are; see shmalloc_handle_format. */
enum class Format : std::int32_t {
  native = SHMALLOC_HANDLE_FORMAT_NATIVE,
  torch_fd = SHMALLOC_HANDLE_FORMAT_TORCH_FD,
  torch_file = SHMALLOC_HANDLE_FORMAT_TORCH_FILE
};

/** How a receiver gets at the memory; see shmalloc_handle_route. */
enum class Route : std::int32_t {
  descriptor = SHMALLOC_HANDLE_ROUTE_DESCRIPTOR,
  shm = SHMALLOC_HANDLE_ROUTE_SHM,
  file = SHMALLOC_HANDLE_ROUTE_FILE,
  process = SHMALLOC_HANDLE_ROUTE_PROCESS,
  empty = SHMALLOC_HANDLE_ROUTE_EMPTY
};

/** What a handle says. Nothing of it is checked against the memory; see shmalloc_handle_info. */
struct HandleInfo {
  std::uint64_t size = 0;
  std::uint64_t capacity = 0;
  std::uint64_t offset = 0;
  Device device;
  std::array<std::uint8_t, 16> identity{};
  Format format = Format::native;
  Kind kind = Kind::standard;
  bool read_only = false;
  Route route = Route::descriptor;
  int pid = 0;
  int version_major = 0;
  int version_minor = 0;
};

/** At most 512 bytes, kept here: copying a handle copies just them, and nothing is open because of it. */
class Handle {
 public:
  static constexpr std::size_t max_size = SHMALLOC_HANDLE_MAX;

  Handle() noexcept = default;

  /** Bytes that came from somewhere. They are checked when they are used. */
  explicit Handle(Bytes bytes) : size_(bytes.size()) {
    if (size_ > max_size) throw CorruptError("more bytes than any handle has");
    if (size_ != 0) std::memcpy(bytes_.data(), bytes.data(), size_);
  }

  static Handle from_text(std::string_view text) {
    const detail::Text copy(text);
    Handle handle;
    std::size_t length = max_size;
    shmalloc_error error;
    switch (shmalloc_handle_from_text(copy.get(), handle.octets(), &length, &error)) {
      case SHMALLOC_STATUS_OK:
        handle.size_ = length;
        return handle;
      case SHMALLOC_STATUS_NO_SPACE:
        throw CorruptError("the text is longer than any handle");
      default:
        detail::throw_error(error);
    }
  }

  /** Letters, digits, '_', '-' and a colon: for JSON, a command line, an environment variable. */
  std::string text() const { return detail::text_of(shmalloc_handle_to_text, octets(), size_); }

  /** Read it without opening anything. */
  HandleInfo info() const {
    auto raw = SHMALLOC_INIT(shmalloc_handle_info);
    detail::call(shmalloc_handle_get_info, octets(), size_, &raw);
    HandleInfo info;
    info.size = raw.size;
    info.capacity = raw.capacity;
    info.offset = raw.offset;
    info.device = Device::of(raw.device);
    std::copy(std::begin(raw.identity), std::end(raw.identity), info.identity.begin());
    info.format = static_cast<Format>(raw.format);
    info.kind = static_cast<Kind>(raw.kind);
    info.read_only = (raw.flags & SHMALLOC_EXPORT_READ_ONLY) != 0;
    info.route = static_cast<Route>(raw.route);
    info.pid = raw.pid;
    info.version_major = raw.version_major;
    info.version_minor = raw.version_minor;
    return info;
  }

  const std::byte *data() const noexcept { return bytes_.data(); }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const std::byte *begin() const noexcept { return data(); }
  const std::byte *end() const noexcept { return data() + size_; }
  friend bool operator==(const Handle &a, const Handle &b) noexcept { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }
  friend bool operator!=(const Handle &a, const Handle &b) noexcept { return !(a == b); }

 private:
  friend class Storage;

  const std::uint8_t *octets() const noexcept { return reinterpret_cast<const std::uint8_t *>(bytes_.data()); }
  std::uint8_t *octets() noexcept { return reinterpret_cast<std::uint8_t *>(bytes_.data()); }

  std::array<std::byte, max_size> bytes_{};
  std::size_t size_ = 0;
};

/** How to export; see shmalloc_export_params. */
struct ExportOptions {
  Timeout ttl{}; /**< how long it stays good after the release here; nothing: the allocator's; forever: while this process lives */
  bool read_only = false;  /**< needs pages of its own: StorageOptions::isolated, or kind map without a name */
  bool descriptor = false; /**< the receiver gets the descriptors of export_descriptors() as well */
  bool counted = false;    /**< torch_file: one is added to the count for the receiver */
  Format format = Format::native;
  StreamRef stream{};
};

/** How to import; see shmalloc_import_params. */
struct ImportOptions {
  std::vector<int> descriptors{}; /**< that came with the handle; they stay yours */
  bool read_only = false;         /**< map for reading only: then only const_view() works */
  bool counted = false;           /**< torch_file: the count was raised for us */
  Format format = Format::native;
  StreamRef stream{};
};

namespace detail {

inline shmalloc_export_params params_of(const ExportOptions &options) {
  auto params = SHMALLOC_INIT(shmalloc_export_params);
  params.ttl_ns = nanoseconds(options.ttl);
  params.stream = options.stream.number();
  params.flags = detail::bit_if(options.read_only, SHMALLOC_EXPORT_READ_ONLY) |
                 detail::bit_if(options.descriptor, SHMALLOC_EXPORT_DESCRIPTOR) |
                 detail::bit_if(options.counted, SHMALLOC_EXPORT_COUNTED);
  params.format = static_cast<std::int32_t>(options.format);
  return params;
}

}  // namespace detail
}  // namespace v0
}  // namespace shmalloc

#endif
