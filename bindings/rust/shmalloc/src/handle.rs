//! The bytes from which another process opens a storage.
use crate::error::call;
use crate::{sys, text, Device, Error, Format, Kind, Result, Route, Status};
use std::fmt;
use std::str::FromStr;

/// A handle: plain bytes, at most [`Handle::MAX`], to be brought to the other process by any means. From bytes by `try_from`, from its
/// text form by `parse`.
#[derive(Clone)]
pub struct Handle {
    bytes: [u8; Handle::MAX],
    length: usize,
}

/// What a handle says. Nothing of it is checked against the memory.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandleInfo {
    /// Bytes of the storage.
    pub size: u64,
    /// Bytes it may grow to.
    pub capacity: u64,
    /// Bytes into the object.
    pub offset: u64,
    /// Where the memory is.
    pub device: Device,
    /// Of the object; the same in all handles of it.
    pub identity: [u8; 16],
    /// What the bytes are.
    pub format: Format,
    /// How the storage was made.
    pub kind: Kind,
    /// The receiver can't write.
    pub read_only: bool,
    /// How a receiver gets at the memory.
    pub route: Route,
    /// Of the exporter, as it saw itself; for people.
    pub pid: i32,
    /// Major and minor of the format.
    pub version: (u16, u16),
}

impl Handle {
    /// Bytes of a handle at most.
    pub const MAX: usize = sys::SHMALLOC_HANDLE_MAX;

    /// Call a function that ends with a handle's bytes and their length.
    pub(crate) fn made(
        function: impl FnOnce(*mut u8, *mut usize, *mut sys::shmalloc_error) -> sys::shmalloc_status,
    ) -> Result<Handle> {
        let mut handle = Handle { bytes: [0; Handle::MAX], length: Handle::MAX };
        let Handle { bytes, length } = &mut handle;
        call(|err| function(bytes.as_mut_ptr(), length, err))?;
        Ok(handle)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// As text that survives JSON, a command line and an environment variable. `Corrupt`: it is not of our own format.
    pub fn to_text(&self) -> Result<String> {
        // SAFETY: the bytes are as long as said, and so is the room.
        text::utf8(|text, length, err| unsafe {
            sys::shmalloc_handle_to_text(self.bytes.as_ptr(), self.length, text, length, err)
        })
    }

    /// Read it without opening it.
    pub fn info(&self) -> Result<HandleInfo> {
        let mut info = sys::shmalloc_handle_info::default();
        // SAFETY: the bytes are as long as said; the struct says its size.
        call(|err| unsafe { sys::shmalloc_handle_get_info(self.bytes.as_ptr(), self.length, &mut info, err) })?;
        Ok(HandleInfo {
            size: info.size,
            capacity: info.capacity,
            offset: info.offset,
            device: Device::from_code(info.device),
            identity: info.identity,
            format: Format::from_code(info.format),
            kind: Kind::from_code(info.kind),
            read_only: info.flags & sys::SHMALLOC_EXPORT_READ_ONLY != 0,
            route: Route::from_code(info.route),
            pid: info.pid,
            version: (info.version_major, info.version_minor),
        })
    }
}

impl AsRef<[u8]> for Handle {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl TryFrom<&[u8]> for Handle {
    type Error = Error;
    /// Only the length is looked at here: whoever opens or reads the handle checks the rest.
    fn try_from(bytes: &[u8]) -> Result<Handle> {
        if bytes.len() > Handle::MAX {
            return Err(Error::new(Status::Corrupt, format!("{} bytes are more than any handle has", bytes.len())));
        }
        let mut handle = Handle { bytes: [0; Handle::MAX], length: bytes.len() };
        handle.bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(handle)
    }
}

impl FromStr for Handle {
    type Err = Error;
    /// The handle of a text; white space around it is ignored.
    fn from_str(text: &str) -> Result<Handle> {
        let text = text::c_text(text)?;
        // SAFETY: the text ends with a zero byte, the room is as long as said.
        Handle::made(|bytes, length, err| unsafe { sys::shmalloc_handle_from_text(text.as_ptr(), bytes, length, err) })
            .map_err(|error| match error.status() {
                Status::NoSpace => Error::new(Status::Corrupt, "the text is longer than any handle"),
                _ => error,
            })
    }
}

impl PartialEq for Handle {
    fn eq(&self, other: &Handle) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("length", &self.length).finish_non_exhaustive()
    }
}
