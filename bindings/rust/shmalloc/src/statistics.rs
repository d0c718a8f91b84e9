//! What an allocator did and has.
use crate::error::{call, created};
use crate::{sys, Allocator, Result, Storage};
use std::ptr;

/// One statistic.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Now.
    pub current: i64,
    /// The most that `current` was since the peaks were reset.
    pub peak: i64,
    /// All that was ever added.
    pub allocated: i64,
    /// All that was ever taken away.
    pub freed: i64,
}

/// One statistic by pools. Memory stays in the pool that it was in when it was made.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pools {
    /// Of both together.
    pub all: Stat,
    /// Of storages of at most 1 MiB, and their segments.
    pub small: Stat,
    /// Of larger ones.
    pub large: Stat,
}

impl From<sys::shmalloc_stat> for Stat {
    fn from(raw: sys::shmalloc_stat) -> Stat {
        Stat { current: raw.current, peak: raw.peak, allocated: raw.allocated, freed: raw.freed }
    }
}

impl From<[sys::shmalloc_stat; 3]> for Pools {
    fn from(raw: [sys::shmalloc_stat; 3]) -> Pools {
        let of = |pool: sys::shmalloc_stat_pool| raw[pool as usize].into();
        Pools {
            all: of(sys::SHMALLOC_STAT_POOL_ALL),
            small: of(sys::SHMALLOC_STAT_POOL_SMALL),
            large: of(sys::SHMALLOC_STAT_POOL_LARGE),
        }
    }
}

/// The struct, and how it is made of the one of C: the fields have the same names.
macro_rules! statistics {
    ($($(#[$what:meta])* $field:ident: $type:ty,)*) => {
        /// What an allocator has and had. Each has PyTorch's name and meaning; a segment is what is asked of the system in one piece, a
        /// block what one storage gets of it.
        #[non_exhaustive]
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct Statistics {
            $($(#[$what])* pub $field: $type,)*
        }

        impl From<sys::shmalloc_statistics> for Statistics {
            #[allow(clippy::useless_conversion)]
            fn from(raw: sys::shmalloc_statistics) -> Statistics {
                Statistics { $($field: raw.$field.into(),)* }
            }
        }
    };
}

statistics! {
    /// Storages: made, and neither closed nor released.
    allocation: Pools,
    /// Objects of the kernel, or private allocations.
    segment: Pools,
    /// Blocks in use: those of `allocation`, and pending.
    active: Pools,
    /// Free rests of segments that are in use in part.
    inactive_split: Pools,
    /// Blocks of `allocation`: sizes rounded up.
    allocated_bytes: Pools,
    /// Segments.
    reserved_bytes: Pools,
    /// Blocks of `active`.
    active_bytes: Pools,
    /// Blocks of `inactive_split`.
    inactive_split_bytes: Pools,
    /// Blocks of `allocation`, as they were asked for.
    requested_bytes: Pools,
    /// Blocks larger than `max_split_size`.
    oversize_allocations: Stat,
    /// Segments larger than `max_split_size`.
    oversize_segments: Stat,
    /// Released here, kept until the time of an export is over, or held by other processes.
    pending: Stat,
    /// Their blocks.
    pending_bytes: Stat,
    /// Allocations tried again after what was kept for later had been given back.
    num_alloc_retries: i64,
    /// Storages that could not be made.
    num_ooms: i64,
    /// Waits for every stream of the device.
    num_sync_all_streams: i64,
    /// Segments made.
    num_device_alloc: i64,
    /// Segments given back.
    num_device_free: i64,
    /// Bytes; larger segments are not split; -1: no limit.
    max_split_size: i64,
}

flags! {
    /// What [`Allocator::reset_statistics`] resets.
    pub struct Reset {
        /// `peak` becomes `current`.
        PEAKS = sys::SHMALLOC_RESET_PEAKS,
        /// `allocated`, `freed` and what begins with `num_` become 0.
        ACCUMULATED = sys::SHMALLOC_RESET_ACCUMULATED,
    }
}

impl Reset {
    /// All there is, what later versions know included.
    pub const ALL: Reset = Reset::from_bits(0);
}

/// How history is recorded.
#[derive(Clone, Debug)]
#[must_use]
pub struct HistoryOptions {
    params: sys::shmalloc_history_params,
}

impl HistoryOptions {
    /// Record from now on.
    pub fn record() -> Self {
        HistoryOptions {
            params: sys::shmalloc_history_params { flags: sys::SHMALLOC_HISTORY_RECORD, ..Default::default() },
        }
    }

    /// Recording ends, and what was recorded stays.
    pub fn stop() -> Self {
        HistoryOptions { params: Default::default() }
    }

    /// Forget what was recorded before.
    pub fn clear(mut self) -> Self {
        self.params.flags |= sys::SHMALLOC_HISTORY_CLEAR;
        self
    }

    /// How many of the newest entries are kept; else 100000.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.params.max_entries = entries;
        self
    }
}

impl Allocator {
    /// What it has and had. While other threads allocate, the numbers of one answer may be of slightly different moments.
    pub fn statistics(&self) -> Result<Statistics> {
        let mut statistics = sys::shmalloc_statistics::default();
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_allocator_get_statistics(self.raw(), &mut statistics, err) })?;
        Ok(statistics.into())
    }

    /// Begin to count anew. What is current stays.
    pub fn reset_statistics(&self, what: Reset) -> Result<()> {
        // SAFETY: alive during the call.
        call(|err| unsafe { sys::shmalloc_allocator_reset_statistics(self.raw(), what.bits(), err) })
    }

    /// Record what it does: what is made, released and given back, and what could not be made. [`snapshot`](Allocator::snapshot) tells.
    pub fn record_history(&self, how: &HistoryOptions) -> Result<()> {
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_allocator_record_history(self.raw(), &how.params, err) })
    }

    /// What it has now and its history, as one JSON object with PyTorch's keys, which its tools read.
    pub fn snapshot(&self) -> Result<String> {
        let text = self.snapshot_storage(None)?.to_vec()?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The same text in a storage of an allocator, from where it can be sent; without one in private memory.
    pub fn snapshot_storage(&self, to: Option<&Allocator>) -> Result<Storage> {
        let to = to.map_or(ptr::null_mut(), Allocator::raw);
        let params = sys::shmalloc_snapshot_params { format: sys::SHMALLOC_SNAPSHOT_FORMAT_JSON, ..Default::default() };
        // SAFETY: both are alive during the call; the struct says its size.
        let handle =
            created(|out, err| unsafe { sys::shmalloc_allocator_snapshot(self.raw(), &params, to, out, err) })?;
        Ok(Storage::of(handle))
    }
}
