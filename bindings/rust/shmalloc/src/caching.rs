//! Allocators of kind `Caching`: memory by its address, settings by fields, and what is cached.
use crate::error::call;
use crate::{sys, Allocator, Result, Stream};
use std::ops::Range;

/// What an allocator of kind `Caching` could give.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheInfo {
    /// Bytes that might be had in one piece: the largest cached block, or all that the device has.
    pub largest: u64,
    /// Bytes that were had from the device and are not in use, those that wait for streams not included.
    pub cached: u64,
    /// Bytes that the device has.
    pub available: u64,
    /// Bytes of the device.
    pub total: u64,
}

/// Settings of kind `Caching`. What is not named stays as it is; [`Allocator::configure`] takes the same as text.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CachingOptions {
    params: sys::shmalloc_caching_params,
}

impl CachingOptions {
    /// All stays as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Larger blocks are not split: bytes, whole MiB; `u64::MAX`: there are none such.
    pub fn max_split_size(mut self, bytes: u64) -> Self {
        self.params.max_split_size = bytes;
        self
    }

    /// How much larger than asked for such a block may be: bytes, whole MiB.
    pub fn max_non_split_rounding(mut self, bytes: u64) -> Self {
        self.params.max_non_split_rounding = bytes;
        self
    }

    /// What is asked of the device for blocks of 1 to 10 MiB: bytes, whole MiB.
    pub fn large_segment_size(mut self, bytes: u64) -> Self {
        self.params.large_segment_size = bytes;
        self
    }

    /// From which part of the limit on segments long unused go back, in millionths; 0: never.
    pub fn garbage_collection_ppm(mut self, ppm: u32) -> Self {
        self.params.garbage_collection_ppm = or_none(ppm);
        self
    }

    /// The part of the device's memory that may be had from it, in millionths; 0: nothing.
    pub fn memory_ppm(mut self, ppm: u32) -> Self {
        self.params.memory_ppm = or_none(ppm);
        self
    }

    /// Sizes are rounded up to so many steps between powers of two, a power of two itself; 1: they are not.
    pub fn roundup_divisions(self, divisions: u32) -> Self {
        self.roundup_divisions_by_size([divisions; 16])
    }

    /// The same for sizes from 2^n MiB, the first of smaller, the last of larger ones too; 0: as it is.
    pub fn roundup_divisions_by_size(mut self, divisions: [u32; 16]) -> Self {
        self.params.roundup_divisions = divisions;
        self
    }
}

/// In C, 0 is "as it is", and the largest number "nothing".
fn or_none(ppm: u32) -> u32 {
    if ppm == 0 {
        u32::MAX
    } else {
        ppm
    }
}

/// Of kind `Caching`; the others answer `Unsupported`.
impl Allocator {
    /// Memory by its address, for work on a stream: for those who plug into other libraries. All else has [`Storage`](crate::Storage). Its
    /// bytes are whatever was there before. Size 0: the address is 0, and nothing is allocated.
    pub fn allocate(&self, size: usize, stream: &Stream) -> Result<u64> {
        let stream = stream.on(self.device())?;
        let mut address = 0;
        // SAFETY: alive during the call, and the stream is of its device.
        call(|err| unsafe { sys::shmalloc_allocator_allocate(self.raw(), size, stream, &mut address, err) })?;
        Ok(address)
    }

    /// Give memory back: what was queued until now is done before anybody else has it. `stream` is where it was used last; none: the one
    /// that it was allocated for, and those that were noted. `NotFound`: no block in use begins there.
    ///
    /// # Safety
    /// [`allocate`](Allocator::allocate) of this allocator gave the address, and nothing uses the memory from here on but what is queued on
    /// these streams already.
    pub unsafe fn deallocate(&self, address: u64, stream: Option<&Stream>) -> Result<()> {
        let stream = match stream {
            Some(stream) => stream.on(self.device())?,
            None => sys::SHMALLOC_STREAM_OWN,
        };
        // SAFETY: alive during the call; nobody uses the memory any more, as the caller promises.
        call(|err| unsafe { sys::shmalloc_allocator_deallocate(self.raw(), address, stream, err) })
    }

    /// Another stream uses this memory: what is queued there when it is given back is done before anybody else has it. The address is
    /// [`allocate`](Allocator::allocate)'s or a storage's. `NotFound`: no block in use begins there.
    pub fn record_stream(&self, address: u64, stream: &Stream) -> Result<()> {
        let stream = stream.on(self.device())?;
        // SAFETY: alive during the call, and the stream is of its device.
        call(|err| unsafe { sys::shmalloc_allocator_record_stream(self.raw(), address, stream, err) })
    }

    /// The addresses of what the device gave in one piece, of which this memory is a part. `NotFound`: no block in use begins there.
    pub fn base(&self, address: u64) -> Result<Range<u64>> {
        let (mut base, mut size) = (0, 0);
        // SAFETY: alive during the call.
        call(|err| unsafe { sys::shmalloc_allocator_get_base(self.raw(), address, &mut base, &mut size, err) })?;
        Ok(base..base + size)
    }

    /// What might be had, and what is cached.
    pub fn cache_info(&self) -> Result<CacheInfo> {
        let mut info = sys::shmalloc_cache_info::default();
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_allocator_get_cache_info(self.raw(), &mut info, err) })?;
        let sys::shmalloc_cache_info { largest, cached, available, total, .. } = info;
        Ok(CacheInfo { largest, cached, available, total })
    }

    /// Change settings: all that were named, or none. `Invalid`: says which can't be.
    pub fn configure_caching(&self, options: &CachingOptions) -> Result<()> {
        // SAFETY: alive during the call; the struct says its size.
        call(|err| unsafe { sys::shmalloc_allocator_configure_caching(self.raw(), &options.params, err) })
    }
}
