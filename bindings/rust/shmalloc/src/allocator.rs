//! Where storages come from.
use crate::error::{bounded_text, call, created};
use crate::{sys, text, Capability, Device, Kind, Result, Storage, StorageOptions};
use std::fmt;
use std::ptr::{self, NonNull};

/// Makes storages of one kind. A clone is another reference to the same allocator; each storage holds one too, so an allocator outlives
/// all that it made. Any thread may use it, several at once.
pub struct Allocator {
    handle: NonNull<sys::shmalloc_allocator>,
    device: Device,
}

counted!(Allocator, shmalloc_allocator, shmalloc_allocator_retain, shmalloc_allocator_release, device: Device);

/// An allocator, described.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllocatorInfo {
    /// For people.
    pub name: String,
    /// How it carves memory; never `Default`.
    pub kind: Kind,
    /// Where its memory is.
    pub device: Device,
    /// Of this allocator in this process, never used again.
    pub id: u64,
    /// In this process, those of its storages included.
    pub references: u64,
    /// Made by it and not yet closed or released.
    pub live_storages: u64,
    /// Their sizes added up, as they were made.
    pub live_bytes: u64,
    /// Bytes; every storage begins at a multiple of this.
    pub alignment: u64,
    /// What it can do.
    pub capabilities: Capability,
}

flags! {
    /// What [`trim`] gives back.
    pub struct Trim {
        /// Do what `release_deferred` put off.
        DEFERRED = sys::SHMALLOC_TRIM_DEFERRED,
        /// Give back what only exports past their time to live keep.
        EXPIRED = sys::SHMALLOC_TRIM_EXPIRED,
        /// Kind `Shared`: give free memory back, what the dead held included. Kind `Caching`: wait for the device, then give back what
        /// is not in use.
        FREE = sys::SHMALLOC_TRIM_FREE,
    }
}

impl Trim {
    /// All there is, what later versions know included.
    pub const ALL: Trim = Trim::from_bits(0);
}

/// What a new allocator is made of.
#[derive(Clone, Debug)]
#[must_use]
pub struct AllocatorOptions {
    kind: Kind,
    device: Device,
    name: Option<String>,
    config: Option<String>,
    environment: bool,
}

impl AllocatorOptions {
    /// Of a kind, on the host.
    pub fn new(kind: Kind) -> Self {
        AllocatorOptions { kind, device: Device::HOST, name: None, config: None, environment: false }
    }

    /// Where its memory is.
    pub fn device(mut self, device: Device) -> Self {
        self.device = device;
        self
    }

    /// For people, at most 63 bytes.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Settings, as `key:value,key:value`; which kind takes which stands at `shmalloc_allocator_params` in `shmalloc/allocator.h`.
    pub fn config(mut self, config: impl Into<String>) -> Self {
        self.config = Some(config.into());
        self
    }

    /// One setting more.
    pub fn set(mut self, key: &str, value: impl fmt::Display) -> Self {
        let before = self.config.take().map_or_else(String::new, |config| config + ",");
        self.config = Some(format!("{before}{key}:{value}"));
        self
    }

    /// Settings in the variable `SHMALLOC_CONF` come after the others.
    pub fn environment(mut self, yes: bool) -> Self {
        self.environment = yes;
        self
    }

    /// Make it.
    pub fn create(&self) -> Result<Allocator> {
        let name = text::c_text_or_none(self.name.as_ref())?;
        let config = text::c_text_or_none(self.config.as_ref())?;
        let params = sys::shmalloc_allocator_params {
            device: self.device.code(),
            name: text::pointer(&name),
            config: text::pointer(&config),
            kind: self.kind.code(),
            flags: if self.environment { sys::SHMALLOC_ALLOCATOR_ENVIRONMENT } else { 0 },
            ..Default::default()
        };
        // SAFETY: the texts are alive during the call, and the struct says its size.
        let handle = created(|out, err| unsafe { sys::shmalloc_allocator_create(&params, out, err) })?;
        Ok(Allocator::of(handle, self.device))
    }
}

impl Allocator {
    /// An allocator of a kind, on the host, with the kind's settings. [`AllocatorOptions`] makes others.
    pub fn new(kind: Kind) -> Result<Allocator> {
        AllocatorOptions::new(kind).create()
    }

    /// An allocator of a device, of kind `Caching`; of the host, the best for sharing.
    pub fn on(device: Device) -> Result<Allocator> {
        AllocatorOptions::new(Kind::Default).device(device).create()
    }

    /// The one of a device that is used where none is named. It is made when it is first needed.
    pub fn current(device: Device) -> Result<Allocator> {
        // SAFETY: only writes to the outputs.
        let handle = created(|out, err| unsafe { sys::shmalloc_allocator_get_current(device.code(), out, err) })?;
        Ok(Allocator::of(handle, device))
    }

    /// Where its memory is.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Use this one where none is named. `Busy`: storages of the one before are live.
    pub fn make_current(&self) -> Result<()> {
        // SAFETY: alive during the call; the library keeps a reference of its own.
        call(|err| unsafe { sys::shmalloc_allocator_set_current(self.raw(), err) })
    }

    /// A new storage of it.
    pub fn create(&self, size: usize) -> Result<Storage> {
        self.options().create(size)
    }

    /// How to make a storage of it with more than a size.
    pub fn options(&self) -> StorageOptions<'_> {
        StorageOptions::new().allocator(self)
    }

    /// What it is, and what it made that is still there.
    pub fn info(&self) -> Result<AllocatorInfo> {
        let mut info = sys::shmalloc_allocator_info::default();
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_allocator_get_info(self.raw(), &mut info, err) })?;
        Ok(AllocatorInfo {
            name: bounded_text(&info.name),
            kind: Kind::from_code(info.kind),
            device: Device::from_code(info.device),
            id: info.id,
            references: info.references,
            live_storages: info.live_storages,
            live_bytes: info.live_bytes,
            alignment: info.alignment,
            capabilities: Capability::from_bits(info.capabilities),
        })
    }

    /// Change settings: all that the text names, or none.
    pub fn configure(&self, config: &str) -> Result<()> {
        let config = text::c_text(config)?;
        // SAFETY: both are alive during the call.
        call(|err| unsafe { sys::shmalloc_allocator_configure(self.raw(), config.as_ptr(), err) })
    }

    /// All settings in force.
    pub fn config(&self) -> Result<String> {
        self.config_text(None)
    }

    /// One of them. `NotFound`: no such key.
    pub fn setting(&self, key: &str) -> Result<String> {
        self.config_text(Some(key))
    }

    fn config_text(&self, key: Option<&str>) -> Result<String> {
        let key = text::c_text_or_none(key)?;
        // SAFETY: both are alive during the call; the room is as long as said.
        text::utf8(|text, length, err| unsafe {
            sys::shmalloc_allocator_get_config(self.raw(), text::pointer(&key), text, length, err)
        })
    }

    /// Give back what it keeps for later, until no more than `keep_bytes` are kept: how much was given back, as far as is known.
    pub fn trim(&self, what: Trim, keep_bytes: u64) -> Result<u64> {
        trim_of(self.raw(), what, keep_bytes)
    }
}

/// [`Allocator::trim`] of every allocator.
pub fn trim(what: Trim, keep_bytes: u64) -> Result<u64> {
    trim_of(ptr::null_mut(), what, keep_bytes)
}

fn trim_of(allocator: *mut sys::shmalloc_allocator, what: Trim, keep_bytes: u64) -> Result<u64> {
    let mut bytes = 0;
    // SAFETY: NULL, or alive during the call.
    call(|err| unsafe { sys::shmalloc_allocator_trim(allocator, what.bits(), keep_bytes, &mut bytes, err) })?;
    Ok(bytes)
}

impl fmt::Debug for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Allocator");
        if let Ok(info) = self.info() {
            debug.field("id", &info.id).field("kind", &info.kind).field("live_storages", &info.live_storages);
        }
        debug.finish_non_exhaustive()
    }
}
