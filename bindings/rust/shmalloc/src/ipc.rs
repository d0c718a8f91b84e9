//! The same storage in another process: export, import, sockets.
use crate::error::{call, created};
use crate::time::waiting;
use crate::{sys, Error, Format, Handle, Result, Status, Storage, Time};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

/// Storages in one message at most.
pub const MESSAGE_MAX: usize = sys::SHMALLOC_MESSAGE_MAX;

/// How to export or send storages.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ExportOptions {
    params: sys::shmalloc_export_params,
}

impl ExportOptions {
    /// Native, writable, with the allocator's time to live.
    pub fn new() -> Self {
        Self::default()
    }

    /// The receiver can't write, nor make it so that it could. For good, and for storages with pages of their own:
    /// [`isolated`](crate::StorageOptions::isolated), or of kind `Map` without a name.
    pub fn read_only(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_EXPORT_READ_ONLY, yes)
    }

    /// The receiver gets the descriptors of [`export_fds`](ExportOptions::export_fds) as well.
    pub fn descriptor(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_EXPORT_DESCRIPTOR, yes)
    }

    /// [`Format::TorchFile`]: add one to the count for the receiver.
    pub fn counted(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_EXPORT_COUNTED, yes)
    }

    /// What the bytes are.
    pub fn format(mut self, format: Format) -> Self {
        self.params.format = format.code();
        self
    }

    /// How long the bytes stay good if the storage is released here; counts from the export. `Usual`: the allocator's.
    pub fn time_to_live(mut self, time: impl Into<Time>) -> Self {
        self.params.ttl_ns = time.into().nanoseconds();
        self
    }

    fn flag(mut self, flag: u32, yes: bool) -> Self {
        self.params.flags = if yes { self.params.flags | flag } else { self.params.flags & !flag };
        self
    }

    /// A handle from which any number of other processes open the same storage.
    pub fn export(&self, storage: &Storage) -> Result<Handle> {
        // SAFETY: alive during the call; the room is as long as said.
        Handle::made(|bytes, length, err| unsafe {
            sys::shmalloc_storage_export(storage.raw(), &self.params, bytes, length, err)
        })
    }

    /// The descriptors of a storage's memory, for those who bring them to the receiver themselves, beside the bytes.
    pub fn export_fds(&self, storage: &Storage) -> Result<Vec<OwnedFd>> {
        let mut room = vec![-1_i32; 4];
        loop {
            let mut count = room.len();
            // SAFETY: alive during the call; the room is as long as said.
            let result = call(|err| unsafe {
                sys::shmalloc_storage_export_fds(storage.raw(), &self.params, room.as_mut_ptr(), &mut count, err)
            });
            match result {
                // SAFETY: the library hands each of them over, and nobody else has them.
                Ok(()) => return Ok(room[..count].iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect()),
                Err(error) if error.status() == Status::NoSpace && count > room.len() => room.resize(count, -1),
                Err(error) => return Err(error),
            }
        }
    }

    /// Send storages in one message; see [`send`].
    pub fn send(&self, socket: impl AsFd, storages: &[&Storage]) -> Result<()> {
        let handles: Vec<_> = storages.iter().map(|storage| storage.raw()).collect();
        let socket = socket.as_fd().as_raw_fd();
        // SAFETY: all are alive during the call. The socket is only written to, which the kernel allows from any thread.
        waiting(Time::Usual, |_| {
            call(|err| unsafe {
                sys::shmalloc_storage_send(socket, handles.as_ptr(), handles.len(), &self.params, err)
            })
        })
    }
}

/// How to import or receive storages.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ImportOptions {
    params: sys::shmalloc_import_params,
    room: Option<usize>,
    timeout: Time,
}

impl ImportOptions {
    /// Native, writable if the export is, waiting as the socket would.
    pub fn new() -> Self {
        Self::default()
    }

    /// Map for reading only.
    pub fn read_only(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_IMPORT_READ_ONLY, yes)
    }

    /// Receive: the other end must run as this user, else `Permission`.
    pub fn same_user(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_IMPORT_SAME_USER, yes)
    }

    /// [`Format::TorchFile`]: the count was raised for us by the sender; take that over.
    pub fn counted(self, yes: bool) -> Self {
        self.flag(sys::SHMALLOC_IMPORT_COUNTED, yes)
    }

    /// What the bytes are.
    pub fn format(mut self, format: Format) -> Self {
        self.params.format = format.code();
        self
    }

    /// Receive: how long to wait for a message. `Usual`: as the socket would.
    pub fn timeout(mut self, time: impl Into<Time>) -> Self {
        self.timeout = time.into();
        self
    }

    /// Receive: storages in a message at most; else [`MESSAGE_MAX`]. `NoSpace`: there are more, and they wait.
    pub fn room(mut self, storages: usize) -> Self {
        self.room = Some(storages);
        self
    }

    fn flag(mut self, flag: u32, yes: bool) -> Self {
        self.params.flags = if yes { self.params.flags | flag } else { self.params.flags & !flag };
        self
    }

    /// Open a handle, with the descriptors that came with it; they stay yours. Handles without descriptors carry names that are opened
    /// with this process's rights: take such bytes from those whom you would let choose what you open.
    pub fn import(&self, handle: impl AsRef<[u8]>, fds: &[BorrowedFd<'_>]) -> Result<Storage> {
        let bytes = handle.as_ref();
        let fds: Vec<i32> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
        // SAFETY: both arrays are as long as said, and alive during the call.
        let handle = created(|out, err| unsafe {
            sys::shmalloc_storage_import(bytes.as_ptr(), bytes.len(), fds.as_ptr(), fds.len(), &self.params, out, err)
        })?;
        Ok(Storage::of(handle))
    }

    /// The storages of one message; see [`receive`].
    pub fn receive(&self, socket: impl AsFd) -> Result<Vec<Storage>> {
        let mut room = vec![ptr::null_mut(); self.room.unwrap_or(MESSAGE_MAX)];
        let socket = socket.as_fd().as_raw_fd();
        let mut params = self.params;
        let mut count = 0;
        waiting(self.timeout, |left| {
            params.timeout_ns = left;
            count = room.len();
            // SAFETY: the room is as long as said. The socket is only read from, which the kernel allows from any thread.
            call(|err| unsafe { sys::shmalloc_storage_receive(socket, &params, room.as_mut_ptr(), &mut count, err) })
        })?;
        let none = || Error::new(Status::Internal, "the library handed out nothing");
        room[..count].iter().map(|handle| NonNull::new(*handle).map(Storage::of).ok_or_else(none)).collect()
    }
}

/// Send storages over a unix socket (stream or seqpacket) in one message, with all that the receiver needs: all of them go or none. One
/// thread at a time for one socket, or messages get mixed up. `Timeout`: the socket is non-blocking and full, nothing was sent.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let socket = std::os::unix::net::UnixStream::connect("/run/example.sock")?;
/// let storage = shmalloc::Storage::new(4096)?;
/// shmalloc::send(&socket, &[&storage])?;
/// # Ok(())
/// # }
/// ```
pub fn send(socket: impl AsFd, storages: &[&Storage]) -> Result<()> {
    ExportOptions::new().send(socket, storages)
}

/// Receive the storages of one message of [`send`]. One thread at a time for one socket. `PeerGone`: the other end closed.
pub fn receive(socket: impl AsFd) -> Result<Vec<Storage>> {
    ImportOptions::new().receive(socket)
}

impl Storage {
    /// A handle from which other processes of this machine open it. It is good as long as this process holds the storage, and for its time
    /// to live after that. [`ExportOptions`] makes others.
    pub fn export(&self) -> Result<Handle> {
        ExportOptions::new().export(self)
    }

    /// The text form of [`export`](Storage::export)'s handle.
    pub fn export_text(&self) -> Result<String> {
        self.export()?.to_text()
    }

    /// Open a handle that needs no descriptors. [`ImportOptions`] opens others.
    pub fn import(handle: impl AsRef<[u8]>) -> Result<Storage> {
        ImportOptions::new().import(handle, &[])
    }

    /// Open a handle's text form.
    pub fn from_text(text: &str) -> Result<Storage> {
        Storage::import(text.parse::<Handle>()?)
    }
}
