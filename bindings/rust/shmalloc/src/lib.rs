//! Allocate, map, share, count and free the same storages from every process and language of a machine.
//!
//! - A [`Storage`] is some bytes with an owner; its clones are references, and the last one gives the memory back.
//! - An [`Allocator`] says where storages come from.
//! - A [`Handle`] is at most 512 plain bytes, or a text, from which another process opens the same storage. With a unix socket between
//!   the two, [`send`] and [`receive`] do it for many at once.
//! - A [`Channel`] is a queue of storages between processes.
//! - A [`Device`] has memory that a [`Stream`] works on in its order; an [`Event`] puts streams in order.
//!
//! ```no_run
//! use shmalloc::Storage;
//!
//! # fn main() -> shmalloc::Result<()> {
//! let storage = Storage::new(1 << 20)?;               // one process makes a storage,
//! storage.write_at(0, b"hello")?;                     // writes to it,
//! println!("{}", storage.export_text()?);             // and brings this text to another
//! # let text = "";
//!
//! let storage = Storage::from_text(text)?;            // which opens it: the same memory
//! let mut word = [0; 5];
//! storage.read_at(0, &mut word)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Reading and writing
//!
//! A [`View`] holds the bytes where they are as long as it lives. It copies bytes in and out, since other processes may write them at any
//! time and `&[u8]` promises that nobody does. [`Storage::slice`] gives a `&[u8]` of sealed memory; for all else there are `unsafe`
//! methods, for those who know what their peers do. [`view`] has the details.
//!
//! # Threads
//!
//! All types may be used by any thread, several at once; only messages over one socket are for one thread at a time. Waits go on when a
//! signal handler has run.
//!
//! # What stays behind
//!
//! Nothing, when values are dropped. `std::process::exit` drops none: memory without a name goes with the process, and a name that
//! stays is found by [`machine::objects`] and removed by [`machine::ReclaimOptions`].
#![warn(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]

#[macro_use]
mod macros;

mod adopt;
mod allocator;
pub mod backend;
mod caching;
mod channel;
mod copy;
mod copying;
mod device;
pub mod dlpack;
mod error;
mod handle;
mod ipc;
mod kinds;
mod library;
mod log;
pub mod machine;
mod observer;
mod options;
mod reader;
mod statistics;
mod storage;
mod stream;
mod text;
mod time;
pub mod torch;
pub mod view;

pub use adopt::Bytes;
pub use allocator::{trim, Allocator, AllocatorInfo, AllocatorOptions, Trim};
pub use caching::{CacheInfo, CachingOptions};
pub use channel::{Channel, ChannelInfo, ChannelOptions, Message, Messages};
pub use copying::CopyOptions;
pub use device::{Device, DeviceInfo, DeviceType};
pub use error::{Error, Result, Status};
pub use handle::{Handle, HandleInfo};
pub use ipc::{receive, send, ExportOptions, ImportOptions, MESSAGE_MAX};
pub use kinds::{Access, Capability, Format, Kind, Mapped, Route, State};
pub use library::{abi_lookup, format_size, make_name, version, version_string};
pub use log::{clear_log, set_log, LogLevel};
pub use observer::{Notice, Notices, Observer};
pub use options::StorageOptions;
pub use reader::{Reader, Writer};
pub use shmalloc_sys as sys;
pub use statistics::{HistoryOptions, Pools, Reset, Stat, Statistics};
pub use storage::{Storage, StorageInfo};
pub use stream::{Event, Stream};
pub use time::Time;
pub use view::{Slice, SliceMut, View, ViewMut};
