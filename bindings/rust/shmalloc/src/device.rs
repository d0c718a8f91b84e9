//! Where memory is.
use crate::error::{bounded_text, call};
use crate::{sys, Capability, Result};

/// A device: its type in the high 32 bits, its index in the low ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Device(sys::shmalloc_device);

enumeration! {
    /// Types of devices. In this version only `Host` has an implementation; the others answer `Unsupported`.
    pub enum DeviceType: i32 {
        /// Plain memory.
        Host = sys::SHMALLOC_DEVICE_TYPE_HOST,
        /// CUDA.
        Cuda = sys::SHMALLOC_DEVICE_TYPE_CUDA,
        /// Vulkan.
        Vulkan = sys::SHMALLOC_DEVICE_TYPE_VULKAN,
    }
}

/// A device, described.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// Which.
    pub device: Device,
    /// Bytes of memory.
    pub total: u64,
    /// Bytes of it that can be had now.
    pub available: u64,
    /// Bytes; what sizes are rounded up to.
    pub page_size: u64,
    /// Devices of this type.
    pub count: u32,
    /// What it can do.
    pub capabilities: Capability,
    /// For people.
    pub name: String,
}

impl Device {
    /// Plain host memory.
    pub const HOST: Device = Device(sys::SHMALLOC_DEVICE_HOST);

    /// The device of a type and an index.
    pub fn new(kind: DeviceType, index: u32) -> Device {
        Device((kind.code() as u32 as u64) << 32 | u64::from(index))
    }

    /// The device that has this number in C.
    pub const fn from_code(code: u64) -> Device {
        Device(code)
    }

    /// Its number in C.
    pub const fn code(self) -> u64 {
        self.0
    }

    /// What it is and offers. `NotFound`: no such index; `Unsupported`: no such type here, and why.
    pub fn info(self) -> Result<DeviceInfo> {
        let mut info = sys::shmalloc_device_info::default();
        // SAFETY: the struct says its size.
        call(|err| unsafe { sys::shmalloc_device_get_info(self.0, &mut info, err) })?;
        Ok(DeviceInfo {
            device: Device(info.device),
            total: info.total,
            available: info.available,
            page_size: info.page_size,
            count: info.count,
            capabilities: Capability::from_bits(info.capabilities),
            name: bounded_text(&info.name),
        })
    }
}
