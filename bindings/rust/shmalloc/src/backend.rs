//! A device of one's own: a type whose methods the caching allocator, statistics and storages use.
//!
//! ```no_run
//! use shmalloc::backend::{Answer, Backend};
//! use shmalloc::{Device, Status};
//!
//! struct Board { /* .. */ }
//!
//! # fn take(_: &Board, _: u64) -> Option<u64> { None }
//! # fn put_back(_: &Board, _: u64) {}
//! // SAFETY: no two blocks of the board share a byte, and the host never touches them.
//! unsafe impl Backend for Board {
//!     fn allocate(&self, size: u64) -> Answer<u64> {
//!         take(self, size).ok_or(Status::NoMemory.into())
//!     }
//!     unsafe fn deallocate(&self, address: u64, _size: u64) -> Answer<()> {
//!         put_back(self, address);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> shmalloc::Result<()> {
//! let device = Device::register("board", Board { /* .. */ })?;
//! let allocator = shmalloc::Allocator::on(device)?;
//! # drop(allocator);
//! device.unregister()
//! # }
//! ```
mod table;

use crate::adopt::give_back;
use crate::error::{call, ready};
use crate::{sys, text, Access, Device, Result, Status};
use std::any::TypeId;
use std::os::raw::c_void;

flags! {
    /// Which of its optional methods a [`Backend`] has; the others are never called.
    pub struct Parts {
        /// `memory_info`; else what is had is counted against nothing, and `allocate` says when there is no more.
        MEMORY_INFO = 1,
        /// `copy`; else the host does it where it has access, and copies are `Unsupported` where it has none.
        COPY = 1 << 1,
        /// `fill`; else as with `copy`.
        FILL = 1 << 2,
        /// `call`.
        CALL = 1 << 3,
        /// `synchronize`; else each stream that was made here is waited for.
        SYNCHRONIZE = 1 << 4,
        /// All that begins with `stream_` or `event_`, but `stream_capturing`; else there is the default stream only, and all work on it is
        /// done when its call returns.
        STREAMS = 1 << 5,
        /// `stream_capturing`; else no stream ever is captured.
        CAPTURING = 1 << 6,
        /// All that begins with `virtual_`, and `page_size`.
        VIRTUAL = 1 << 7,
        /// `enable_peer`.
        PEERS = 1 << 8,
    }
}

/// Why a method of a [`Backend`] failed: a [`Status`] like `NoMemory`, or a positive number of its own, which callers of this crate get as
/// `Status::Backend` with [`Error::backend_error`](crate::Error::backend_error).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure(i32);

impl Failure {
    /// A positive number of its own.
    pub const fn code(code: i32) -> Failure {
        Failure(code)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure(status.code())
    }
}

/// What a method of a [`Backend`] returns. One that fails has changed nothing.
pub type Answer<T> = std::result::Result<T, Failure>;

/// A function of the host as work on a stream. It runs once, when the stream has come to it.
#[derive(Debug)]
pub struct Work {
    function: sys::shmalloc_work_fn,
    argument: *mut c_void,
}

// SAFETY: whoever queues work lets it run on a thread of the device's.
unsafe impl Send for Work {}

impl Work {
    /// Do it.
    pub fn run(self) {
        if let Some(function) = self.function {
            // SAFETY: the library passed both together, and this is the only run.
            unsafe { function(self.argument) }
        }
    }
}

/// A device. Any thread calls its methods, several at once, and they may not use this crate. Addresses, streams, events and pieces of memory
/// are numbers of the device's own; stream 0 is the default stream, and nothing else is ever 0. They are not called in a forked child, nor
/// once the process exits. A panic goes no further, and is `Internal`.
///
/// # Safety
/// Blocks in use share no bytes, are as long as was asked for, and begin at multiples of the alignment. With `host_access` the host can read
/// and write them as memory until they are given back. Work on a stream is done in the stream's order, as
/// [`Stream`](crate::Stream) and [`Event`](crate::Event) say.
///
/// Who calls an `unsafe` method passes numbers that this device gave and that were not given back (of streams also those that users of the
/// device say are its own), and ranges that lie in its blocks, or for copies in the host's memory. Only the library calls them.
#[allow(clippy::missing_safety_doc)] // It stands above, once for all.
#[allow(unused_variables)]
pub unsafe trait Backend: Send + Sync + Sized + 'static {
    /// Which of the optional methods are there.
    fn parts(&self) -> Parts {
        Parts::default()
    }

    /// The host reads and writes its addresses.
    fn host_access(&self) -> bool {
        false
    }

    /// Bytes, a power of two, of which `allocate` gives multiples; 0: 16.
    fn alignment(&self) -> u64 {
        0
    }

    /// Bytes, a power of two: the unit of virtual memory.
    fn page_size(&self) -> u64 {
        0
    }

    /// Memory with an address.
    fn allocate(&self, size: u64) -> Answer<u64>;

    /// Give back what `allocate` gave, of the size that was asked for. No work uses it any more.
    unsafe fn deallocate(&self, address: u64, size: u64) -> Answer<()>;

    /// Bytes that can be had now, and all there are.
    fn memory_info(&self) -> Answer<(u64, u64)> {
        missing()
    }

    /// Queue a copy between any two of the device's and the host's addresses.
    unsafe fn copy(&self, to: u64, from: u64, size: u64, stream: u64) -> Answer<()> {
        missing()
    }

    /// Queue that bytes get a value.
    unsafe fn fill(&self, to: u64, value: u8, size: u64, stream: u64) -> Answer<()> {
        missing()
    }

    /// Queue a function of the host.
    unsafe fn call(&self, stream: u64, work: Work) -> Answer<()> {
        missing()
    }

    /// Wait for all streams.
    fn synchronize(&self) -> Answer<()> {
        missing()
    }

    /// A new stream.
    fn stream_create(&self) -> Answer<u64> {
        missing()
    }

    /// Give it back; what is queued is done all the same.
    unsafe fn stream_destroy(&self, stream: u64) -> Answer<()> {
        missing()
    }

    /// Wait for a stream.
    unsafe fn stream_synchronize(&self, stream: u64) -> Answer<()> {
        missing()
    }

    /// The stream goes on after the event as it was recorded last.
    unsafe fn stream_wait(&self, stream: u64, event: u64) -> Answer<()> {
        missing()
    }

    /// Whether it is being captured.
    unsafe fn stream_capturing(&self, stream: u64) -> Answer<bool> {
        missing()
    }

    /// A new event.
    fn event_create(&self) -> Answer<u64> {
        missing()
    }

    /// Give it back; waits for it keep their meaning.
    unsafe fn event_destroy(&self, event: u64) -> Answer<()> {
        missing()
    }

    /// It means what is queued on the stream so far.
    unsafe fn event_record(&self, event: u64, stream: u64) -> Answer<()> {
        missing()
    }

    /// Whether it is done; one never recorded is.
    unsafe fn event_query(&self, event: u64) -> Answer<bool> {
        missing()
    }

    /// Wait until it is done.
    unsafe fn event_synchronize(&self, event: u64) -> Answer<()> {
        missing()
    }

    /// Addresses without memory.
    fn virtual_reserve(&self, size: u64) -> Answer<u64> {
        missing()
    }

    /// Give them back, with nothing mapped there.
    unsafe fn virtual_unreserve(&self, address: u64, size: u64) -> Answer<()> {
        missing()
    }

    /// Memory without an address.
    fn virtual_create(&self, size: u64) -> Answer<u64> {
        missing()
    }

    /// Give it back; it lasts where it is mapped.
    unsafe fn virtual_destroy(&self, memory: u64) -> Answer<()> {
        missing()
    }

    /// Map all of the memory at an address; nothing may be done there until `virtual_access`.
    unsafe fn virtual_map(&self, address: u64, size: u64, memory: u64) -> Answer<()> {
        missing()
    }

    /// Whole pieces that lie side by side.
    unsafe fn virtual_unmap(&self, address: u64, size: u64) -> Answer<()> {
        missing()
    }

    /// What may be done to whole pieces that lie side by side; none: nothing.
    unsafe fn virtual_access(&self, address: u64, size: u64, access: Option<Access>) -> Answer<()> {
        missing()
    }

    /// Let another device's streams use this one's memory.
    fn enable_peer(&self, peer: &Self) -> Answer<()> {
        missing()
    }
}

fn missing<T>() -> Answer<T> {
    Err(Status::Unsupported.into())
}

/// What the library gets as userdata. The type is told apart from others, for peers.
#[repr(C)]
struct Registered<B> {
    kind: TypeId,
    backend: B,
}

impl Device {
    /// Make a device of a backend. The name is for people, 1 to 63 bytes. The backend is dropped when the device is unregistered and
    /// nothing of it is left, or if this fails. `NoSpace`: 64 are there already.
    pub fn register<B: Backend>(name: &str, backend: B) -> Result<Device> {
        ready()?;
        let name = text::c_text(name)?;
        let table = sys::shmalloc_backend { name: name.as_ptr(), ..table::of(&backend) };
        let userdata = Box::into_raw(Box::new(Registered { kind: TypeId::of::<B>(), backend })).cast();
        let mut device = 0;
        // SAFETY: the table and the name are alive during the call. The functions are for userdata of this type, which goes to
        // destroy_fn, on failure too; it is Send and Sync.
        call(|err| unsafe {
            sys::shmalloc_device_register(&table, userdata, Some(give_back::<Registered<B>>), &mut device, err)
        })?;
        Ok(Device::from_code(device))
    }

    /// A device that [`register`](Device::register) made is not used any more. `Busy`: allocators or storages of it are there.
    pub fn unregister(self) -> Result<()> {
        // SAFETY: the library refuses as long as anything could call the backend.
        call(|err| unsafe { sys::shmalloc_device_unregister(self.code(), err) })
    }
}
