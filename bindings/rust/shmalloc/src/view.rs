//! Views: a storage's bytes, held where they are.
//!
//! Shared memory can change under a reader at any time, and `&[u8]` promises that it does not. So the views that safe code gets,
//! [`View`] and [`ViewMut`], copy bytes in and out and hand out no reference. A reference is to be had in two ways: [`Slice`], which
//! [`Storage::slice`] gives for memory that is sealed, so that the kernel keeps that promise; and the `unsafe` methods here, where
//! the caller makes it, because it knows what its peers do.
use crate::copy;
use crate::error::call;
use crate::{sys, Access, Error, Result, State, Status, Storage};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// A pin: the bytes stay where they are, and mapped, until it is dropped.
pub(crate) struct Pin {
    /// Released after the pin, so that memory whose last holder this was goes back at once.
    storage: Storage,
    access: sys::shmalloc_access,
    data: NonNull<u8>,
    size: usize,
}

// SAFETY: shmalloc_storage_pin and _unpin may be called by any thread ("Threading: any"), and Storage is Send and Sync. What is done
// through the pointer is each view's own matter.
unsafe impl Send for Pin {}
// SAFETY: as above; a shared Pin only tells its fields.
unsafe impl Sync for Pin {}

impl Pin {
    fn new(storage: &Storage, access: Access) -> Result<Pin> {
        let (mut pin, data, size) = Pin::start(storage, access)?;
        match NonNull::new(data) {
            Some(data) => (pin.data, pin.size) = (data, size),
            None if size == 0 => {}
            None => return Err(Error::new(Status::Unsupported, "this memory is not for the host to touch")),
        }
        Ok(pin)
    }

    /// One of 0 bytes, that holds the storage's all the same; the memory may be of any device.
    pub(crate) fn unseen(storage: &Storage) -> Result<Pin> {
        Ok(Pin::start(storage, Access::Read)?.0)
    }

    /// Such a one, and where the bytes are for the host, and how many.
    fn start(storage: &Storage, access: Access) -> Result<(Pin, *mut u8, usize)> {
        let (access, mut data, mut size) = (access.code(), ptr::null_mut(), 0);
        // SAFETY: the storage is alive during the call, the others are written to during it.
        call(|err| unsafe { sys::shmalloc_storage_pin(storage.raw(), access, &mut data, &mut size, err) })?;
        let pin = Pin { storage: storage.clone(), access, data: NonNull::dangling(), size: 0 };
        Ok((pin, data.cast(), size))
    }

    /// Where `count` bytes from `offset` on begin.
    fn range(&self, offset: usize, count: usize) -> Result<NonNull<u8>> {
        if offset > self.size || count > self.size - offset {
            let message = format!("{count} bytes at {offset} reach beyond a view of {} bytes", self.size);
            return Err(Error::new(Status::Invalid, message));
        }
        // SAFETY: within the view, or one past its end.
        Ok(unsafe { NonNull::new_unchecked(self.data.as_ptr().add(offset)) })
    }

    /// The place of an atomic number.
    fn aligned<T>(&self, offset: usize) -> Result<NonNull<T>> {
        let place = self.range(offset, std::mem::size_of::<T>())?.cast::<T>();
        if place.as_ptr() as usize % std::mem::align_of::<T>() != 0 {
            return Err(Error::new(Status::Invalid, format!("a number at {offset} would not be aligned")));
        }
        Ok(place)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: pinned once by start(), with this access.
        unsafe { sys::shmalloc_storage_unpin(self.storage.raw(), self.access) }
    }
}

/// A view for reading. As long as it lives the bytes stay where they are: what would move or unmap them is [`Status::Busy`].
///
/// Others may write the bytes meanwhile; what is copied then has old bytes and new ones. It keeps its length when the storage grows.
pub struct View {
    pin: Pin,
}

impl View {
    pub(crate) fn new(storage: &Storage, access: Access) -> Result<View> {
        Ok(View { pin: Pin::new(storage, access)? })
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.pin.size
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The storage whose bytes they are.
    pub fn storage(&self) -> &Storage {
        &self.pin.storage
    }

    /// The first byte; dangling if there is none. Good as long as the view lives.
    pub fn as_ptr(&self) -> *const u8 {
        self.pin.data.as_ptr()
    }

    /// Copy the bytes from `offset` on, as many as `buffer` is long. `Invalid`: that reaches beyond the view.
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let from = self.pin.range(offset, buffer.len())?;
        // SAFETY: the range is inside the view, and nobody else has the buffer.
        unsafe { copy::copy(from.as_ptr(), buffer.as_mut_ptr(), buffer.len()) };
        Ok(())
    }

    /// Copy all of it.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut copied = Vec::with_capacity(self.len());
        // SAFETY: the room is as long as the view, and has been written when it is counted.
        unsafe {
            copy::copy(self.as_ptr(), copied.as_mut_ptr(), self.len());
            copied.set_len(self.len());
        }
        copied
    }

    /// Read the bytes in order, by [`std::io::Read`].
    pub fn reader(&self) -> crate::Reader<'_> {
        crate::Reader::new(self)
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// Until the slice is gone nobody writes them: no thread here, no work on a stream, and no other process that has the storage. Where peers are not
    /// trusted with that, use [`read_at`](View::read_at), or seal the storage and use [`Storage::slice`].
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the pin keeps them there as long as self lives; that nobody writes them is the caller's promise.
        unsafe { slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// This view as something that is a slice.
    ///
    /// # Safety
    /// As [`as_slice`](View::as_slice), until what comes out is dropped.
    pub unsafe fn into_slice(self) -> Slice {
        Slice { view: self }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A view for writing, and for reading as [`View`] does. Any number of them at once; none excludes another.
pub struct ViewMut {
    view: View,
}

impl ViewMut {
    pub(crate) fn new(storage: &Storage) -> Result<ViewMut> {
        Ok(ViewMut { view: View::new(storage, Access::Write)? })
    }

    /// The first byte; dangling if there is none. Good as long as the view lives.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.view.pin.data.as_ptr()
    }

    /// Copy bytes to `offset`. `Invalid`: that reaches beyond the view.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> Result<()> {
        let to = self.view.pin.range(offset, bytes.len())?;
        // SAFETY: the range is inside the view, which is for writing.
        unsafe { copy::copy(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copy bytes over all of it. `Invalid`: they are not as many.
    pub fn copy_from_slice(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() != self.len() {
            let message = format!("{} bytes do not fill a view of {}", bytes.len(), self.len());
            return Err(Error::new(Status::Invalid, message));
        }
        self.write_at(0, bytes)
    }

    /// Set every byte to one value.
    pub fn fill(&self, value: u8) {
        // SAFETY: exactly the view, which is for writing.
        unsafe { copy::fill(self.as_mut_ptr(), value, self.len()) }
    }

    /// Write bytes in order, by [`std::io::Write`].
    pub fn writer(&self) -> crate::Writer<'_> {
        crate::Writer::new(self)
    }

    /// A number in the memory that several processes use at once. `Invalid`: it is not inside, or not aligned.
    ///
    /// # Safety
    /// As long as the reference lives, no thread here uses these 4 bytes by anything else than `AtomicU32` without being synchronised
    /// with it: that would be a race of accesses of different sizes, the safe copies of this crate included.
    pub unsafe fn atomic_u32(&self, offset: usize) -> Result<&AtomicU32> {
        let place = self.view.pin.aligned::<AtomicU32>(offset)?;
        // SAFETY: inside the view, aligned, pinned as long as self lives; how else it is used is the caller's promise.
        Ok(unsafe { &*place.as_ptr() })
    }

    /// The same for a number of 8 bytes.
    ///
    /// # Safety
    /// As [`atomic_u32`](ViewMut::atomic_u32).
    pub unsafe fn atomic_u64(&self, offset: usize) -> Result<&AtomicU64> {
        let place = self.view.pin.aligned::<AtomicU64>(offset)?;
        // SAFETY: as above.
        Ok(unsafe { &*place.as_ptr() })
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// Until the slice is gone nobody else reads or writes them: no thread here, by this view or another, no work on a stream, and no
    /// other process that has the storage.
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the pin keeps them there as long as self lives; that nobody else uses them is the caller's promise.
        unsafe { slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }

    /// This view as something that is a slice.
    ///
    /// # Safety
    /// As [`as_mut_slice`](ViewMut::as_mut_slice), until what comes out is dropped.
    pub unsafe fn into_slice_mut(self) -> SliceMut {
        SliceMut { view: self }
    }
}

impl Deref for ViewMut {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

impl fmt::Debug for ViewMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewMut").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Bytes that do not change as long as it lives, as a slice: sealed memory, or a [`View`] whose owner vouches for it.
pub struct Slice {
    view: View,
}

impl Slice {
    /// Only of memory that nobody can write or cut short any more.
    pub(crate) fn sealed(storage: &Storage) -> Result<Slice> {
        // The pin first: what is open now, and sealed then, stays both.
        let view = View::new(storage, Access::Read)?;
        if view.is_empty() || storage.info()?.state.contains(State::IMMUTABLE | State::SEALED) {
            return Ok(Slice { view });
        }
        Err(Error::new(Status::Permission, "others may write this storage: seal it first, or read it through a view"))
    }
}

impl Deref for Slice {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: nobody writes them: the seals were seen, or the caller of into_slice promised.
        unsafe { self.view.as_slice() }
    }
}

impl AsRef<[u8]> for Slice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slice").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Bytes that nobody else uses as long as it lives, as a slice: a [`ViewMut`] whose owner vouches for it.
pub struct SliceMut {
    view: ViewMut,
}

impl Deref for SliceMut {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: nobody else writes them: the caller of into_slice_mut promised.
        unsafe { self.view.as_slice() }
    }
}

impl DerefMut for SliceMut {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: nobody else uses them: the caller of into_slice_mut promised, and self is borrowed mutably.
        unsafe { self.view.as_mut_slice() }
    }
}

impl AsRef<[u8]> for SliceMut {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for SliceMut {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl fmt::Debug for SliceMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceMut").field("len", &self.len()).finish_non_exhaustive()
    }
}
