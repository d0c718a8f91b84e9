/* SPDX-License-Identifier: MIT
 * shmalloc/cpp/device.hpp - where memory is. */
#ifndef SHMALLOC_CPP_DEVICE_HPP
#define SHMALLOC_CPP_DEVICE_HPP

#include "shmalloc/cpp/error.hpp"
#include "shmalloc/cpp/flags.hpp"
#include "shmalloc/device.h"

namespace shmalloc {
inline namespace v0 {

/** A stream of a device, as a number; host memory ignores it. */
using Stream = shmalloc_stream;

enum class DeviceType : std::uint32_t {
  host = SHMALLOC_DEVICE_TYPE_HOST,
  cuda = SHMALLOC_DEVICE_TYPE_CUDA,
  vulkan = SHMALLOC_DEVICE_TYPE_VULKAN
};

/** What a device or an allocator can do; see shmalloc_capability_flags. */
enum class Capability : std::uint32_t {
  none = 0,
  host_access = SHMALLOC_CAPABILITY_HOST_ACCESS,
  export_descriptor = SHMALLOC_CAPABILITY_EXPORT,
  export_bytes = SHMALLOC_CAPABILITY_EXPORT_BYTES,
  read_only = SHMALLOC_CAPABILITY_READ_ONLY,
  grow = SHMALLOC_CAPABILITY_GROW,
  huge_pages = SHMALLOC_CAPABILITY_HUGE_PAGES
};
template <>
struct IsFlags<Capability> : std::true_type {};

/** A device: a type and an index. */
class Device {
 public:
  constexpr Device() noexcept = default;  // the host
  constexpr explicit Device(DeviceType type, std::uint32_t index = 0) noexcept
      : number_(static_cast<shmalloc_device>(type) << 32U | index) {}
  static constexpr Device of(shmalloc_device number) noexcept {
    Device device;
    device.number_ = number;
    return device;
  }
  constexpr DeviceType type() const noexcept { return static_cast<DeviceType>(number_ >> 32U); }
  constexpr std::uint32_t index() const noexcept { return static_cast<std::uint32_t>(number_); }
  constexpr shmalloc_device number() const noexcept { return number_; }
  friend constexpr bool operator==(Device a, Device b) noexcept { return a.number_ == b.number_; }
  friend constexpr bool operator!=(Device a, Device b) noexcept { return a.number_ != b.number_; }

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

/** What a device is and offers. */
inline DeviceInfo device_info(Device device = {}) {
  auto info = SHMALLOC_INIT(shmalloc_device_info);
  detail::call(shmalloc_device_get_info, device.number(), &info);
  return {info.name,
          Device::of(info.device),
          info.total,
          info.available,
          info.page_size,
          info.count,
          static_cast<Capability>(info.capabilities)};
}

}  // namespace v0
}  // namespace shmalloc

#endif
