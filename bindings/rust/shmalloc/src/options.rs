//! What a new storage needs beyond its size.
use crate::error::created;
use crate::{sys, text, Allocator, AllocatorOptions, Device, Kind, Mapped, Result, Storage, Stream};
use std::ffi::{OsStr, OsString};
use std::os::unix::io::{AsRawFd, BorrowedFd};
use std::ptr;

/// How to make a storage: what is not said is the allocator's default.
///
/// ```no_run
/// # fn main() -> shmalloc::Result<()> {
/// let storage = shmalloc::StorageOptions::new().isolated(true).zeroed(true).create(1 << 20)?;
/// # Ok(())
/// # }
/// ```
///
/// What asks for an object of its own (`name`, `mapped`, `fd`, `file_offset`, `page_size`, `mode`) is of kind `Map`, unless an allocator
/// is given.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct StorageOptions<'a> {
    allocator: Option<&'a Allocator>,
    stream: Option<&'a Stream>,
    name: Option<OsString>,
    mapped: Mapped,
    fd: Option<BorrowedFd<'a>>,
    alignment: u64,
    capacity: u64,
    file_offset: u64,
    page_size: u64,
    flags: u32,
    mode: u32,
    numa_node: i32,
}

impl<'a> StorageOptions<'a> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where it comes from; else the current allocator, of the stream's device if there is one.
    pub fn allocator(mut self, allocator: &'a Allocator) -> Self {
        self.allocator = Some(allocator);
        self
    }

    /// The stream of its first use, in whose order the last release gives the memory back; else the device's default stream.
    pub fn stream(mut self, stream: &'a Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Path of a file, or name of a shm object, with or without its leading slash.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// What it is mapped from.
    pub fn mapped(mut self, mapped: Mapped) -> Self {
        self.mapped = mapped;
        self
    }

    /// The object behind a descriptor, which is duplicated.
    pub fn fd(mut self, fd: BorrowedFd<'a>) -> Self {
        self.fd = Some(fd);
        self
    }

    /// Bytes, a power of two.
    pub fn alignment(mut self, bytes: u64) -> Self {
        self.alignment = bytes;
        self
    }

    /// Bytes of address space kept so that it can grow in place.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// Where in the file it begins, a multiple of the page size.
    pub fn file_offset(mut self, bytes: u64) -> Self {
        self.file_offset = bytes;
        self
    }

    /// Bytes of a huge page, with [`Mapped::HUGETLB`].
    pub fn page_size(mut self, bytes: u64) -> Self {
        self.page_size = bytes;
        self
    }

    /// New memory is all 0; else it holds what was there before.
    pub fn zeroed(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_STORAGE_ZEROED, yes)
    }

    /// Pages and a descriptor of its own, for receivers that must not see its neighbours, or must not write.
    pub fn isolated(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_STORAGE_ISOLATED, yes)
    }

    /// Permission bits of a new file or object.
    pub fn mode(mut self, bits: u32) -> Self {
        self.mode = bits;
        self
    }

    /// The NUMA node that its memory is bound to.
    pub fn numa_node(mut self, node: u16) -> Self {
        self.numa_node = i32::from(node) + 1;
        self
    }

    /// Memory of any NUMA node, whatever the allocator says.
    pub fn any_numa_node(mut self) -> Self {
        self.numa_node = -1;
        self
    }

    fn flag(mut self, flag: u32, yes: bool) -> Self {
        self.flags = if yes { self.flags | flag } else { self.flags & !flag };
        self
    }

    /// The object exists, or has a name, or is of a special sort: only kind `Map` has such.
    fn is_map(&self) -> bool {
        self.name.is_some()
            || self.fd.is_some()
            || !self.mapped.is_empty()
            || self.file_offset != 0
            || self.page_size != 0
            || self.mode != 0
    }

    /// Make it. Size 0: what exists, for a named object or a descriptor; else an empty storage.
    pub fn create(&self, size: usize) -> Result<Storage> {
        let name = text::c_text_or_none(self.name.as_ref())?;
        let from_fd = if self.fd.is_some() { Mapped::FROMFD } else { Mapped::default() };
        let params = sys::shmalloc_storage_params {
            name: text::pointer(&name),
            alignment: self.alignment,
            capacity: self.capacity,
            file_offset: self.file_offset,
            page_size: self.page_size,
            flags: self.flags,
            mapped: (self.mapped | from_fd).bits(),
            mode: self.mode,
            fd: self.fd.map_or(-1, |fd| fd.as_raw_fd()),
            numa_node: self.numa_node,
            ..Default::default()
        };
        let own = match (self.allocator, self.stream) {
            (None, Some(stream)) if stream.device() != Device::HOST => Some(Allocator::current(stream.device())?),
            (None, _) if self.is_map() => own_allocator()?,
            _ => None,
        };
        let allocator = own.as_ref().or(self.allocator);
        let stream = match (self.stream, allocator) {
            (Some(stream), Some(allocator)) => stream.on(allocator.device())?,
            _ => sys::SHMALLOC_STREAM_DEFAULT,
        };
        let allocator = allocator.map_or(ptr::null_mut(), Allocator::raw);
        // SAFETY: allocator and name are alive during the call, and the struct says its size.
        let handle =
            created(|out, err| unsafe { sys::shmalloc_storage_create(allocator, size, stream, &params, out, err) })?;
        Ok(Storage::of(handle))
    }
}

/// An allocator of kind `Map`, unless the current one will do.
fn own_allocator() -> Result<Option<Allocator>> {
    match Allocator::current(Device::HOST)?.info()?.kind {
        Kind::Map | Kind::MapRefcounted => Ok(None),
        _ => AllocatorOptions::new(Kind::Map).create().map(Some),
    }
}
