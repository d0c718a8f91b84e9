//! Copies between storages, on the host, on devices and between the two.
use crate::error::call;
use crate::time::waiting;
use crate::{sys, Device, Error, Result, Status, Storage, Stream, Time};

/// How to copy from one storage to another: what is not said is all bytes, on the default stream, done on return.
///
/// ```no_run
/// # use shmalloc::{CopyOptions, Device, Storage, Stream};
/// # fn main() -> shmalloc::Result<()> {
/// let stream = Stream::new(Device::host_streams(0))?;
/// let (host, there) = (Storage::new(1000)?, Storage::options().stream(&stream).create(1000)?);
/// CopyOptions::new().stream(&stream).non_blocking(true).copy(&there, &host)?;
/// stream.synchronize()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CopyOptions<'a> {
    stream: Option<&'a Stream>,
    flags: u32,
    offset: usize,
    source_offset: usize,
    count: Option<usize>,
}

impl<'a> CopyOptions<'a> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// On which stream, of the target's device, or of the source's if the target is the host's. Ignored between host memories.
    pub fn stream(mut self, stream: &'a Stream) -> Self {
        self.stream = Some(stream);
        self
    }

    /// Return once it is queued: both storages are held until the stream has done it. What the host's memory has then, and what may be
    /// written to it, is known when the stream has been waited for. Done on return anyway are copies between host memories, those of
    /// host memory that a peer could cut short (`State::SEALED` is missing, and it is not private), and those of devices that can't
    /// call.
    ///
    /// In a capture they are not held: hold both yourself, as long as the graph may run.
    pub fn non_blocking(mut self, yes: bool) -> Self {
        self.flags = if yes { sys::SHMALLOC_COPY_NON_BLOCKING } else { 0 };
        self
    }

    /// So many bytes from `source_offset` on, to `offset`.
    pub fn range(mut self, offset: usize, source_offset: usize, count: usize) -> Self {
        (self.offset, self.source_offset, self.count) = (offset, source_offset, Some(count));
        self
    }

    /// Do it. `Unsupported`: no way leads from the one device to the other.
    pub fn copy(&self, target: &Storage, source: &Storage) -> Result<()> {
        let count = match self.count {
            Some(sys::SHMALLOC_SIZE_ALL) => return Err(Error::new(Status::Invalid, "no storage has so many bytes")),
            count => count.unwrap_or(sys::SHMALLOC_SIZE_ALL),
        };
        let stream = match self.stream {
            Some(stream) => stream.on(match target.device()? {
                Device::HOST => source.device()?,
                device => device,
            })?,
            None => sys::SHMALLOC_STREAM_DEFAULT,
        };
        waiting(Time::Forever, |_| {
            // SAFETY: both are alive during the call, which checks the range and keeps them until the copy is done.
            call(|err| unsafe {
                let (to, from) = (target.raw(), source.raw());
                sys::shmalloc_storage_copy(to, self.offset, from, self.source_offset, count, stream, self.flags, err)
            })
        })
    }
}
