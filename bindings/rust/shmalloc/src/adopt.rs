//! Storages over memory that somebody else made.
use crate::error::{created, ready};
use crate::{sys, Access, Device, Result, Storage};
use std::mem;
use std::os::raw::c_void;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

/// What a storage can be made of by [`Storage::adopt`]: bytes with an owner that is given up.
///
/// # Safety
/// The bytes that [`give_up`](Bytes::give_up) tells stay where they are, readable and with `Access::Write` writable, until the owner is
/// dropped, though the owner is moved. Meanwhile nobody else writes them, and with `Access::Write` nobody else reads them.
pub unsafe trait Bytes {
    /// What keeps the bytes. It is dropped by whichever thread ends their use.
    type Owner: Send + 'static;
    /// What may be done to them.
    const ACCESS: Access;
    /// First byte, number of bytes, owner.
    fn give_up(self) -> (*mut u8, usize, Self::Owner);
}

// SAFETY: moving a vector leaves its buffer where it is, and nobody else has it.
unsafe impl Bytes for Vec<u8> {
    type Owner = Vec<u8>;
    const ACCESS: Access = Access::Write;
    fn give_up(mut self) -> (*mut u8, usize, Vec<u8>) {
        (self.as_mut_ptr(), self.len(), self)
    }
}

// SAFETY: as a vector, which does not claim its bytes anew when it is moved, as a box does.
unsafe impl Bytes for Box<[u8]> {
    type Owner = Vec<u8>;
    const ACCESS: Access = Access::Write;
    fn give_up(self) -> (*mut u8, usize, Vec<u8>) {
        self.into_vec().give_up()
    }
}

// SAFETY: the bytes live for ever, nobody writes them, and they are only read.
unsafe impl Bytes for &'static [u8] {
    type Owner = ();
    const ACCESS: Access = Access::Read;
    fn give_up(self) -> (*mut u8, usize, ()) {
        (self.as_ptr() as *mut u8, self.len(), ())
    }
}

// SAFETY: the bytes live for ever, and with the only reference given up nobody else uses them.
unsafe impl Bytes for &'static mut [u8] {
    type Owner = ();
    const ACCESS: Access = Access::Write;
    fn give_up(self) -> (*mut u8, usize, ()) {
        (self.as_mut_ptr(), self.len(), ())
    }
}

// SAFETY: this reference keeps the bytes where they are; others only read them, and so does the storage.
unsafe impl Bytes for Arc<[u8]> {
    type Owner = Arc<[u8]>;
    const ACCESS: Access = Access::Read;
    fn give_up(self) -> (*mut u8, usize, Arc<[u8]>) {
        (self.as_ptr() as *mut u8, self.len(), self)
    }
}

impl Storage {
    /// A storage over bytes that are given up, without a copy: a vector, a box, an `Arc`, static bytes. Private to this process, until
    /// [`share`](Storage::share) moves it. The owner is dropped when the storage needs it no more, on failure too.
    pub fn adopt<B: Bytes>(bytes: B) -> Result<Storage> {
        let (data, size, owner) = bytes.give_up();
        // SAFETY: as the implementation of the trait promises.
        unsafe { Storage::adopt_raw(data, size, B::ACCESS, move || drop(owner)) }
    }

    /// A storage over any memory, and how to give it back. `destroy` runs exactly once, on failure too, on whichever thread ends the
    /// use; not in a forked child. A panic in it goes no further.
    ///
    /// # Safety
    /// Until `destroy` runs the bytes stay where they are, readable, and writable if `access` lets them be written; and nobody else uses
    /// them in a way that would be a data race with relaxed atomic accesses of single bytes.
    pub unsafe fn adopt_raw<F>(data: *mut u8, size: usize, access: Access, destroy: F) -> Result<Storage>
    where
        F: FnOnce() + Send + 'static,
    {
        // SAFETY: as the caller promises.
        unsafe { Storage::adopt_on(Device::HOST, data as usize as u64, size, access, destroy) }
    }

    /// A storage over memory of a device, by its address.
    ///
    /// # Safety
    /// As [`adopt_raw`](Storage::adopt_raw), for the device and, where it can touch the memory, for the host.
    pub unsafe fn adopt_on<F>(device: Device, address: u64, size: usize, access: Access, destroy: F) -> Result<Storage>
    where
        F: FnOnce() + Send + 'static,
    {
        if let Err(error) = ready() {
            stopped(destroy);
            return Err(error);
        }
        let params = sys::shmalloc_adopt_params { access: access.code(), ..Default::default() };
        let userdata = Box::into_raw(Box::new(destroy)).cast();
        let handle = created(|out, err| {
            // SAFETY: the memory is good as the caller promises; the closure goes to destroy_fn, and to nobody else.
            unsafe {
                sys::shmalloc_storage_adopt(
                    device.code(),
                    address,
                    size,
                    &params,
                    userdata,
                    Some(run_once::<F>),
                    out,
                    err,
                )
            }
        })?;
        Ok(Storage::of(handle))
    }
}

/// The destroy_fn, or work on a stream, that a boxed closure is.
pub(crate) unsafe extern "C" fn run_once<F: FnOnce()>(userdata: *mut c_void) {
    // SAFETY: made by Box::into_raw of this type, and the library calls this once.
    let closure = unsafe { Box::from_raw(userdata.cast::<F>()) };
    stopped(closure);
}

/// The destroy_fn of what is only dropped.
pub(crate) unsafe extern "C" fn give_back<T>(userdata: *mut c_void) {
    // SAFETY: made by Box::into_raw of this type, and the library calls this once.
    let owned = unsafe { Box::from_raw(userdata.cast::<T>()) };
    stopped(|| drop(owned));
}

/// Run something that C calls, where a panic must not go through. Its message has been printed by the hook by then.
pub(crate) fn stopped<R: Default>(function: impl FnOnce() -> R) -> R {
    panic::catch_unwind(AssertUnwindSafe(function)).unwrap_or_else(|payload| {
        mem::forget(payload); // whose drop could panic again
        R::default()
    })
}
