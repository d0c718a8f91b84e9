//! Some bytes with an owner.
use crate::error::{call, created};
use crate::{sys, text};
use crate::{
    Access, Allocator, CopyOptions, Device, Kind, Mapped, Result, Slice, State, Status, StorageOptions, Stream, View,
    ViewMut,
};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::io::RawFd;
use std::ptr::{self, NonNull};

/// Bytes that other processes can open: one reference. The last one gives the memory back, here when it is dropped.
///
/// ```no_run
/// # fn main() -> shmalloc::Result<()> {
/// let storage = shmalloc::Storage::new(1 << 20)?;
/// storage.write_at(0, b"hello")?;
/// println!("{}", storage.export_text()?);
/// // in another process, which read that text:
/// # let text = "";
/// let storage = shmalloc::Storage::from_text(text)?;
/// let mut word = [0; 5];
/// storage.read_at(0, &mut word)?;
/// # Ok(())
/// # }
/// ```
///
/// A clone is another reference to the same storage. Any thread may use it, several at once.
pub struct Storage {
    handle: NonNull<sys::shmalloc_storage>,
}

counted!(Storage, shmalloc_storage, shmalloc_storage_retain, shmalloc_storage_release);

/// A storage, described.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorageInfo {
    /// Where its first byte is; 0 when it is empty or closed.
    pub address: u64,
    /// Where its memory is.
    pub device: Device,
    /// Bytes that may be used.
    pub size: u64,
    /// Bytes it may grow to in place.
    pub capacity: u64,
    /// Of this storage in this process, never used again.
    pub id: u64,
    /// Goes up whenever its bytes get another address, or other memory behind the same one.
    pub generation: u64,
    /// Of the allocator that made it; none if it was adopted, imported or received.
    pub allocator_id: Option<u64>,
    /// References in this process, pins included.
    pub references: u64,
    /// Views that live.
    pub pins: u64,
    /// How it was made.
    pub kind: Kind,
    /// What it is now.
    pub state: State,
    /// What it is mapped from.
    pub mapped: Mapped,
    /// The descriptor that is kept, good as long as the storage is open and its exports are not revoked.
    pub fd: Option<RawFd>,
}

impl Storage {
    /// A storage of the current allocator: in a segment with others, and not zeroed. [`StorageOptions`] makes others.
    pub fn new(size: usize) -> Result<Storage> {
        StorageOptions::new().create(size)
    }

    /// How to make one with more than a size.
    pub fn options<'a>() -> StorageOptions<'a> {
        StorageOptions::new()
    }

    /// The storage of this process that an address lies in, and how far into it. `NotFound`: there is none.
    pub fn find(address: *const u8) -> Result<(Storage, usize)> {
        Storage::find_on(Device::HOST, address as usize as u64)
    }

    /// The same by an address of a device.
    pub fn find_on(device: Device, address: u64) -> Result<(Storage, usize)> {
        let mut offset = 0;
        // SAFETY: the address is only looked up; the outputs are written to during the call.
        let handle =
            created(|out, err| unsafe { sys::shmalloc_storage_find(device.code(), address, out, &mut offset, err) })?;
        Ok((Storage::of(handle), offset))
    }

    /// Give memory, descriptor and name back now, whoever else holds the storage in this process. `Busy`: a view of it lives.
    pub fn close(&self) -> Result<()> {
        // SAFETY: alive during the call. Pins forbid it, so no view is left without its memory.
        call(|err| unsafe { sys::shmalloc_storage_close(self.raw(), err) })
    }

    // ---- asking ----

    /// Bytes that may be used; 0 when it is closed.
    pub fn size(&self) -> usize {
        // SAFETY: alive during the call.
        unsafe { sys::shmalloc_storage_size(self.raw()) }
    }

    /// Its first byte; NULL when it is empty, closed or not for the host. Good until somebody in this process calls `share` or
    /// `close`, or the last reference goes; a [`View`] forbids all three.
    pub fn data(&self) -> *mut u8 {
        // SAFETY: alive during the call.
        unsafe { sys::shmalloc_storage_data(self.raw()) }.cast()
    }

    /// Its first byte in its device's own space; 0 when it is empty or closed.
    pub fn address(&self) -> u64 {
        // SAFETY: alive during the call.
        unsafe { sys::shmalloc_storage_address(self.raw()) }
    }

    /// Where its memory is.
    pub fn device(&self) -> Result<Device> {
        Ok(Device::from_code(self.raw_info()?.device))
    }

    fn raw_info(&self) -> Result<sys::shmalloc_storage_info> {
        let mut info = sys::shmalloc_storage_info::default();
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_storage_get_info(self.raw(), &mut info, err) })?;
        Ok(info)
    }

    /// All that is known of it.
    pub fn info(&self) -> Result<StorageInfo> {
        let info = self.raw_info()?;
        Ok(StorageInfo {
            address: info.address,
            device: Device::from_code(info.device),
            size: info.size,
            capacity: info.capacity,
            id: info.id,
            generation: info.generation,
            allocator_id: Some(info.allocator_id).filter(|id| *id != 0),
            references: info.references,
            pins: info.pins,
            kind: Kind::from_code(info.kind),
            state: State::from_bits(info.state),
            mapped: Mapped::from_bits(info.mapped),
            fd: Some(info.fd).filter(|fd| *fd >= 0),
        })
    }

    /// Path of its file or name of its shm object, as long as it has one.
    pub fn name(&self) -> Result<Option<OsString>> {
        // SAFETY: alive during the call; the room is as long as its length says.
        let name =
            text::text(|text, length, err| unsafe { sys::shmalloc_storage_get_name(self.raw(), text, length, err) });
        match name {
            Err(error) if error.status() == Status::NotFound => Ok(None),
            name => name.map(Some),
        }
    }

    // ---- the bytes ----

    /// A view for reading. `Unsupported`: it is on a device whose memory the host can't touch; [`CopyOptions`] leads there and back.
    pub fn view(&self) -> Result<View> {
        View::new(self, Access::Read)
    }

    /// A view for writing. `Permission`: the memory is read-only.
    pub fn view_mut(&self) -> Result<ViewMut> {
        ViewMut::new(self)
    }

    /// The bytes as a slice, of a storage that nobody writes or cuts short any more. `Permission`: it is not sealed.
    pub fn slice(&self) -> Result<Slice> {
        Slice::sealed(self)
    }

    /// Copy the bytes from `offset` on, as many as `buffer` is long; [`View::read_at`] of a view for this call only.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        self.view()?.read_at(offset, buffer)
    }

    /// Copy bytes to `offset`; [`ViewMut::write_at`] of a view for this call only.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.view_mut()?.write_at(offset, bytes)
    }

    /// Copy all of it.
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        Ok(self.view()?.to_vec())
    }

    /// Copy all bytes of another storage, which is as long. A storage that a peer cuts short meanwhile is an error, not a SIGBUS.
    /// [`CopyOptions`] copies on a stream.
    pub fn copy_from(&self, source: &Storage) -> Result<()> {
        CopyOptions::new().copy(self, source)
    }

    /// Copy `count` bytes of another storage, or within this one.
    pub fn copy_range(&self, offset: usize, source: &Storage, source_offset: usize, count: usize) -> Result<()> {
        CopyOptions::new().range(offset, source_offset, count).copy(self, source)
    }

    /// Another stream uses it: what is queued there at the last release is done before anybody else has the memory. The stream that it
    /// was made for needs no note.
    pub fn record_stream(&self, stream: &Stream) -> Result<()> {
        let stream = stream.on(self.device()?)?;
        // SAFETY: alive during the call, and the stream is of its device.
        call(|err| unsafe { sys::shmalloc_storage_record_stream(self.raw(), stream, err) })
    }

    // ---- change ----

    /// Make a private storage shareable and keep this object: its bytes move, into the current allocator's memory. Already shareable:
    /// nothing happens. `Busy`: a view of it lives.
    pub fn share(&self) -> Result<()> {
        self.move_to(ptr::null_mut())
    }

    /// The same, into the memory of an allocator.
    pub fn share_with(&self, to: &Allocator) -> Result<()> {
        self.move_to(to.raw())
    }

    fn move_to(&self, to: *mut sys::shmalloc_allocator) -> Result<()> {
        // SAFETY: both are alive during the call. Pins forbid it, so no view is left without its memory.
        call(|err| unsafe { sys::shmalloc_storage_share(self.raw(), to, sys::SHMALLOC_STREAM_DEFAULT, err) })
    }

    /// Make it longer, at the same address, up to its capacity; 0: to whatever another process made it. Views keep their length.
    pub fn grow(&self, size: usize) -> Result<()> {
        // SAFETY: alive during the call; address and bytes stay.
        call(|err| unsafe { sys::shmalloc_storage_grow(self.raw(), size, sys::SHMALLOC_STREAM_DEFAULT, err) })
    }

    /// From here on nobody writes it. For storages with pages of their own, see [`StorageOptions::isolated`]. `Busy`: a view for
    /// writing lives, or another process maps it for writing.
    pub fn seal(&self) -> Result<()> {
        // SAFETY: alive during the call. Pins for writing forbid it, so no view is left that would fault.
        call(|err| unsafe { sys::shmalloc_storage_seal(self.raw(), err) })
    }

    /// Make all handles void that this process gave out so far. Those who have it open keep it; new exports are good.
    pub fn revoke(&self) -> Result<()> {
        // SAFETY: alive during the call.
        call(|err| unsafe { sys::shmalloc_storage_revoke(self.raw(), err) })
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Storage");
        if let Ok(info) = self.info() {
            debug.field("id", &info.id).field("size", &info.size).field("kind", &info.kind).field("state", &info.state);
        }
        debug.finish_non_exhaustive()
    }
}
