// From a device's public number to the device. One is begun by whoever asks for it first, and lasts as long as the process; custom ones until
// they are unregistered.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "shmalloc/backend.h"

namespace shmalloc::device {

constexpr std::uint32_t type_of(shmalloc_device device) { return static_cast<std::uint32_t>(device >> 32); }
constexpr std::uint32_t index_of(shmalloc_device device) { return static_cast<std::uint32_t>(device); }

// NOT_FOUND: no such index; UNSUPPORTED: no such type, plain host memory included, or no driver.
Result<std::shared_ptr<Device>> find(shmalloc_device number);
// shmalloc_capability_flags
std::uint32_t capabilities_of(const Description &description, const Device &device);
// How many of the type there are, as far as it is known.
std::uint32_t count(std::uint32_t type);

inline constexpr std::size_t kMostCustom = 64;
// userdata is given back on failure too.
Result<shmalloc_device> register_custom(const shmalloc_backend &backend, void *userdata, shmalloc_destroy_fn destroy_fn);
// BUSY: others than so many users hold it.
Result<void> unregister_custom(shmalloc_device number, long users);

// Held across fork.
void lock_registry();
void unlock_registry();

}  // namespace shmalloc::device
