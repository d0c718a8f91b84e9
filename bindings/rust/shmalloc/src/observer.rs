//! Hearing of what happens in an allocator of kind `Caching`.
use crate::adopt::{give_back, stopped};
use crate::error::call;
use crate::{sys, Allocator, Device, Result};
use std::ffi::CStr;
use std::os::raw::c_void;

flags! {
    /// What observers hear of.
    pub struct Notices {
        /// Nothing cached fits: before the device is asked. Who gives memory back now answers `true`.
        MEMORY_LOW = sys::SHMALLOC_NOTICE_MEMORY_LOW,
        /// An allocation fails, after all was tried.
        OUT_OF_MEMORY = sys::SHMALLOC_NOTICE_OUT_OF_MEMORY,
    }
}

/// What an observer hears. All numbers are bytes where nothing else is said.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// One of [`Notices`].
    pub kind: Notices,
    /// Of `OUT_OF_MEMORY`: lines for people, what is used by whom and what would help; else empty.
    pub report: String,
    /// Whose memory.
    pub device: Device,
    /// Of which allocator.
    pub allocator_id: u64,
    /// Number of the stream that the memory is wanted for.
    pub stream: u64,
    /// As it was asked for.
    pub requested: u64,
    /// Of the block that is wanted.
    pub rounded: u64,
    /// Of the device.
    pub total: u64,
    /// What the device says it has; none: it does not say.
    pub available: Option<u64>,
    /// What the settings let be had from it.
    pub limit: u64,
    /// What was had from it.
    pub reserved: u64,
    /// In use.
    pub allocated: u64,
    /// Given back, and waiting for streams.
    pub pending: u64,
    /// The largest cached block.
    pub largest_free: u64,
    /// Percent of what is cached that is not in the largest block.
    pub fragmentation: u32,
}

impl Notice {
    /// # Safety
    /// The report is a text that ends with a zero byte.
    unsafe fn of(raw: &sys::shmalloc_notice) -> Notice {
        // SAFETY: as the caller promises.
        let report = unsafe { CStr::from_ptr(raw.report) };
        Notice {
            kind: Notices::from_bits(raw.kind as u32),
            report: report.to_string_lossy().into_owned(),
            device: Device::from_code(raw.device),
            allocator_id: raw.allocator_id,
            stream: raw.stream,
            requested: raw.requested,
            rounded: raw.rounded,
            total: raw.total,
            available: Some(raw.available).filter(|bytes| *bytes != u64::MAX),
            limit: raw.limit,
            reserved: raw.reserved,
            allocated: raw.allocated,
            pending: raw.pending,
            largest_free: raw.largest_free,
            fragmentation: raw.fragmentation,
        }
    }
}

/// Observes an allocator as long as it lives. When it is dropped no call of the closure runs any more, and the closure is dropped. Only the
/// closure itself can't end it so: where it drops its own observer, it stays until the allocator ends.
#[derive(Debug)]
#[must_use = "it observes as long as it lives"]
pub struct Observer {
    allocator: Allocator,
    id: Option<u64>,
}

impl Observer {
    /// Hear no more, and hear whether that was possible. `Busy`: called by the closure itself.
    pub fn close(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.id.take().map_or(Ok(()), |id| {
            // SAFETY: alive during the call.
            call(|err| unsafe { sys::shmalloc_allocator_unobserve(self.allocator.raw(), id, err) })
        })
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Allocator {
    /// Call a closure for each notice of these kinds, as long as the observer lives. It runs on the thread whose call it is, on several at
    /// once, and may use this crate; what its own calls cause it is not told. Its answer counts for `MEMORY_LOW`: `true` if it gave memory
    /// back, so that the allocation tries again. A panic in it goes no further, and counts as `false`.
    ///
    /// `NoSpace`: 16 observe the allocator already; `Unsupported`: it is not of kind `Caching`.
    pub fn observe<F>(&self, kinds: Notices, listener: F) -> Result<Observer>
    where
        F: Fn(&Notice) -> bool + Send + Sync + 'static,
    {
        let userdata = Box::into_raw(Box::new(listener)).cast();
        let mut id = 0;
        // SAFETY: alive during the call. The listener goes to destroy_fn, on failure too, and is used by nobody but `hear` until then; it
        // is Send and Sync.
        call(|err| unsafe {
            let (hear, end): (_, sys::shmalloc_destroy_fn) = (Some(hear::<F> as _), Some(give_back::<F>));
            sys::shmalloc_allocator_observe(self.raw(), kinds.bits(), hear, userdata, end, &mut id, err)
        })?;
        Ok(Observer { allocator: self.clone(), id: Some(id) })
    }
}

unsafe extern "C" fn hear<F: Fn(&Notice) -> bool>(notice: *const sys::shmalloc_notice, userdata: *mut c_void) -> i32 {
    // SAFETY: what observe() passed, alive until destroy_fn runs; the notice and its report live during this call.
    let (listener, notice) = unsafe { (&*userdata.cast::<F>(), Notice::of(&*notice)) };
    i32::from(stopped(|| listener(&notice)))
}
