//! What only those who talk to PyTorch processes need. Storages go to and from PyTorch by [`Format::TorchFd`](crate::Format::TorchFd) and
//! [`Format::TorchFile`](crate::Format::TorchFile) of [`ExportOptions`](crate::ExportOptions) and
//! [`ImportOptions`](crate::ImportOptions).
use crate::error::call;
use crate::time::waiting;
use crate::{sys, text, Result, Storage, Time};
use std::os::unix::io::{AsFd, AsRawFd};
use std::path::Path;

/// PyTorch's count of a storage of kind `MapRefcounted`, after `change` was added to it. `Stale`: the count is 0, the object is dying.
pub fn refcount(storage: &Storage, change: i32) -> Result<i32> {
    let mut count = 0;
    // SAFETY: alive during the call.
    call(|err| unsafe { sys::shmalloc_torch_refcount(storage.raw(), change, &mut count, err) })?;
    Ok(count)
}

/// Answer PyTorch's torch_shm_manager protocol on a unix socket, on this thread, until `stop` becomes readable or its other end is
/// closed. The socket's file is made and removed at the end. `Exists`: somebody answers there already.
pub fn manager_run(path: impl AsRef<Path>, stop: impl AsFd) -> Result<()> {
    let path = text::c_text(path.as_ref())?;
    let stop = stop.as_fd().as_raw_fd();
    waiting(Time::Forever, |_| {
        // SAFETY: path and descriptor are alive during the call.
        call(|err| unsafe { sys::shmalloc_torch_manager_run(path.as_ptr(), stop, err) })
    })
}
