/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/device.hpp - where memory is. */
#ifndef SHMALLOC_CPP_DEVICE_HPP
#define SHMALLOC_CPP_DEVICE_HPP

#include "shmalloc/cpp/error.hpp"
#include "shmalloc/cpp/flags.hpp"
#include "shmalloc/device.h"

namespace shmalloc {
inline namespace v0 {

/** An address in a device's own space; of the host's memory a pointer as a number, see address_of(). */
using Address = shmalloc_address;

inline Address address_of(const void *pointer) noexcept { return reinterpret_cast<std::uintptr_t>(pointer); }

/** Which stream a call or an option means: one of class Stream, a number, or a handle of the device's own API (a CUstream). Nothing: the
 *  default stream, which is also what host memory ignores. It holds nothing. */
class StreamRef {
 public:
  constexpr StreamRef() noexcept = default;
  constexpr StreamRef(shmalloc_stream number) noexcept  // NOLINT(google-explicit-constructor): arguments shall just fit
      : number_(number) {}
  template <class Handle>
  StreamRef(Handle *handle) noexcept  // NOLINT(google-explicit-constructor): as above
      : number_(address_of(handle)) {}

  /** The one that the memory was made for, where a call says that it may be given. */
  static constexpr StreamRef own() noexcept { return SHMALLOC_STREAM_OWN; }

  constexpr shmalloc_stream number() const noexcept { return number_; }
  friend constexpr bool operator==(StreamRef a, StreamRef b) noexcept { return a.number_ == b.number_; }
  friend constexpr bool operator!=(StreamRef a, StreamRef b) noexcept { return a.number_ != b.number_; }

 private:
  shmalloc_stream number_ = SHMALLOC_STREAM_DEFAULT;
};

enum class DeviceType : std::uint32_t {
  host = SHMALLOC_DEVICE_TYPE_HOST,
  cuda = SHMALLOC_DEVICE_TYPE_CUDA,
  vulkan = SHMALLOC_DEVICE_TYPE_VULKAN,
  host_streams = SHMALLOC_DEVICE_TYPE_HOST_STREAMS, /**< this machine's memory as a device with streams and events */
  custom = SHMALLOC_DEVICE_TYPE_CUSTOM              /**< yours: register_device() */
};

/** What a device or an allocator can do; see shmalloc_capability_flags. */
enum class Capability : std::uint32_t {
  none = 0,
  host_access = SHMALLOC_CAPABILITY_HOST_ACCESS,
  export_descriptor = SHMALLOC_CAPABILITY_EXPORT,
  export_bytes = SHMALLOC_CAPABILITY_EXPORT_BYTES,
  read_only = SHMALLOC_CAPABILITY_READ_ONLY,
  grow = SHMALLOC_CAPABILITY_GROW,
  huge_pages = SHMALLOC_CAPABILITY_HUGE_PAGES,
  streams = SHMALLOC_CAPABILITY_STREAMS,
  call = SHMALLOC_CAPABILITY_CALL,
  capture = SHMALLOC_CAPABILITY_CAPTURE,
  peers = SHMALLOC_CAPABILITY_PEERS,
  virtual_memory = SHMALLOC_CAPABILITY_VIRTUAL
};
template <>
struct IsFlags<Capability> : std::true_type {};

struct DeviceInfo;

/** A device: a type and an index. It is begun by the first call that needs it, and lasts as long as the process. Copies and fills are done
 *  in the order of their stream; addresses are not checked, as Storage::copy_from does. */
class Device {
 public:
  constexpr Device() noexcept = default;  // the host
  constexpr explicit Device(DeviceType type, std::uint32_t index = 0) noexcept
      : number_(static_cast<shmalloc_device>(type) << 32U | index) {}

  static constexpr Device host() noexcept { return {}; }
  static constexpr Device cuda(std::uint32_t index = 0) noexcept { return Device(DeviceType::cuda, index); }
  static constexpr Device host_streams(std::uint32_t index = 0) noexcept { return Device(DeviceType::host_streams, index); }
  static constexpr Device of(shmalloc_device number) noexcept {
    Device device;
    device.number_ = number;
    return device;
  }

  /** Devices of a type that can be had here; 0 also without their driver. Of custom ones, info().count of one of them tells. */
  static std::uint32_t count(DeviceType type);

  constexpr DeviceType type() const noexcept { return static_cast<DeviceType>(number_ >> 32U); }
  constexpr std::uint32_t index() const noexcept { return static_cast<std::uint32_t>(number_); }
  constexpr shmalloc_device number() const noexcept { return number_; }
  friend constexpr bool operator==(Device a, Device b) noexcept { return a.number_ == b.number_; }
  friend constexpr bool operator!=(Device a, Device b) noexcept { return a.number_ != b.number_; }

  /** What it is and offers. NotFoundError: no such index; UnsupportedError: no such type here, and why. */
  DeviceInfo info() const;

  /** Wait until all work is done that was queued on it, on any stream. */
  void synchronize() const { detail::call(shmalloc_device_synchronize, number_); }

  /** Let another device's streams read and write this one's memory: what there is, and what comes. */
  void enable_peer(Device peer) const { detail::call(shmalloc_device_enable_peer, number_, peer.number_); }

  /** Queue a copy between any two of this device's memory, its peers' and the host's. Both must last until it is done. */
  void copy(Address to, Address from, std::size_t size, StreamRef stream = {}) const {
    detail::call(shmalloc_device_copy, number_, to, from, size, stream.number());
  }

  /** Queue that bytes get a value. */
  void fill(Address to, std::uint8_t value, std::size_t size, StreamRef stream = {}) const {
    detail::call(shmalloc_device_fill, number_, to, std::uint32_t{value}, size, stream.number());
  }

 private:
  shmalloc_device number_ = SHMALLOC_DEVICE_HOST;
};

/** A device, described; see shmalloc_device_info. */
struct DeviceInfo {
  std::string name;
  Device device;
  std::uint64_t total = 0;
  std::uint64_t available = 0;
  std::uint64_t page_size = 0;
  std::uint32_t count = 0;
  Capability capabilities = Capability::none;
};

inline DeviceInfo Device::info() const {
  auto info = SHMALLOC_INIT(shmalloc_device_info);
  detail::call(shmalloc_device_get_info, number_, &info);
  return {info.name,
          Device::of(info.device),
          info.total,
          info.available,
          info.page_size,
          info.count,
          static_cast<Capability>(info.capabilities)};
}

inline std::uint32_t Device::count(DeviceType type) {
  auto info = SHMALLOC_INIT(shmalloc_device_info);
  shmalloc_error error;
  switch (shmalloc_device_get_info(Device(type).number(), &info, &error)) {
    case SHMALLOC_STATUS_OK:
      return info.count;
    case SHMALLOC_STATUS_NOT_FOUND:
    case SHMALLOC_STATUS_UNSUPPORTED:
      return 0;
    default:
      detail::throw_error(error);
  }
}

}  // namespace v0
}  // namespace shmalloc

#endif
