//! Where memory is.
use crate::error::{bounded_text, call};
use crate::{sys, Capability, Result, Status, Stream};
use std::fmt;

/// A device: a type and an index. It is begun by the first call that needs it, and lasts as long as the process.
///
/// Work on a device is queued on a [`Stream`] and done in the stream's order.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device(sys::shmalloc_device);

enumeration! {
    /// Types of devices. `Vulkan` has no implementation in this version: it answers `Unsupported`.
    pub enum DeviceType: i32 {
        /// Plain memory.
        Host = sys::SHMALLOC_DEVICE_TYPE_HOST,
        /// A GPU, through its driver, which is looked for at run time.
        Cuda = sys::SHMALLOC_DEVICE_TYPE_CUDA,
        /// Vulkan.
        Vulkan = sys::SHMALLOC_DEVICE_TYPE_VULKAN,
        /// This machine's memory as a device with streams and events, for machines without a GPU; index 0 to 63.
        HostStreams = sys::SHMALLOC_DEVICE_TYPE_HOST_STREAMS,
        /// Yours: [`Device::register`].
        Custom = sys::SHMALLOC_DEVICE_TYPE_CUSTOM,
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

    /// A GPU.
    pub fn cuda(index: u32) -> Device {
        Device::new(DeviceType::Cuda, index)
    }

    /// This machine's memory as a device with streams.
    pub fn host_streams(index: u32) -> Device {
        Device::new(DeviceType::HostStreams, index)
    }

    /// The device that has this number in C.
    pub const fn from_code(code: u64) -> Device {
        Device(code)
    }

    /// Its number in C.
    pub const fn code(self) -> u64 {
        self.0
    }

    /// Its type.
    pub fn device_type(self) -> DeviceType {
        DeviceType::from_code((self.0 >> 32) as i32)
    }

    /// Its index among those of its type.
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// How many of a type can be had here; 0 as well where the driver is missing. Of custom ones [`info`](Device::info) of one that is
    /// there tells.
    pub fn count(kind: DeviceType) -> Result<u32> {
        match Device::new(kind, 0).info() {
            Ok(info) => Ok(info.count),
            Err(error) if matches!(error.status(), Status::NotFound | Status::Unsupported) => Ok(0),
            Err(error) => Err(error),
        }
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

    /// Wait until all work is done that was queued on it, on any stream. `Busy`: a stream is being captured.
    pub fn synchronize(self) -> Result<()> {
        // SAFETY: only waits.
        call(|err| unsafe { sys::shmalloc_device_synchronize(self.0, err) })
    }

    /// Let the streams of `peer` read and write this device's memory: what there is, and what comes. `Unsupported`: the two can't reach
    /// each other.
    pub fn enable_peer(self, peer: Device) -> Result<()> {
        // SAFETY: what the memory's owners see of it does not change.
        call(|err| unsafe { sys::shmalloc_device_enable_peer(self.0, peer.0, err) })
    }

    /// Queue a copy between any two of this device's memory, its peers' and the host's, by address. [`CopyOptions`](crate::CopyOptions)
    /// copies storages, and checks what it is given.
    ///
    /// # Safety
    /// Until the stream has done it, `size` bytes at `to` can be written and at `from` be read, they do not overlap, and nobody uses them
    /// in a way that would be a data race; a stream's own order is no race.
    pub unsafe fn copy(self, to: u64, from: u64, size: usize, stream: &Stream) -> Result<()> {
        let stream = stream.on(self)?;
        // SAFETY: as the caller promises.
        call(|err| unsafe { sys::shmalloc_device_copy(self.0, to, from, size, stream, err) })
    }

    /// Queue that bytes get a value, by address.
    ///
    /// # Safety
    /// Until the stream has done it, `size` bytes at `to` can be written, and nobody uses them in a way that would be a data race; a
    /// stream's own order is no race.
    pub unsafe fn fill(self, to: u64, value: u8, size: usize, stream: &Stream) -> Result<()> {
        let stream = stream.on(self)?;
        // SAFETY: as the caller promises.
        call(|err| unsafe { sys::shmalloc_device_fill(self.0, to, u32::from(value), size, stream, err) })
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(&self.device_type()).field(&self.index()).finish()
    }
}
