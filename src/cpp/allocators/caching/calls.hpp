// The few calls of a device that the allocator makes.
//
// With the allocator's mutex held only those are made that wait for nobody: create_event, destroy_event, record, done, capturing and
// describe. allocate, free, memory_info and synchronize are made without it.
#pragma once

#include "device/device.hpp"

namespace shmalloc::caching {

using device::Address;
using device::Event;
using device::Stream;
using Calls = device::Device;
template <device::Backend B>
using CallsOf = device::DeviceOf<B>;

}  // namespace shmalloc::caching
