//! Storages to and from every array library that speaks DLPack. "Unversioned" is what DLPack had before version 1.0.
use crate::error::{created, ready};
use crate::view::Pin;
use crate::{sys, Error, Result, Status, Storage};
use std::os::raw::c_void;
use std::ptr::{self, NonNull};

/// How the bytes of a storage are seen as an array.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Layout {
    /// Elements in each dimension.
    pub shape: Vec<i64>,
    /// Elements from one index to the next; none: the last index is the fastest and nothing lies between.
    pub strides: Option<Vec<i64>>,
    /// Bytes from the storage's first to the element whose indices are all 0.
    pub offset: u64,
    /// DLPack's type code: 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool, ..
    pub code: u8,
    /// Bits of one lane.
    pub bits: u8,
    /// Lanes of an element; 0 is 1.
    pub lanes: u16,
    /// Nobody may write through it.
    pub read_only: bool,
    /// Elements of less than a byte take one each; else they are packed.
    pub padded: bool,
}

impl Layout {
    /// An array of a shape, one element behind the other from the first byte on.
    pub fn new(code: u8, bits: u8, shape: &[i64]) -> Layout {
        Layout { shape: shape.to_vec(), code, bits, ..Layout::default() }
    }

    fn raw(&self) -> Result<sys::shmalloc_tensor> {
        let wrong = |what| Error::new(Status::Invalid, what);
        let strides = self.strides.as_ref();
        if strides.map_or(false, |strides| strides.len() != self.shape.len()) {
            return Err(wrong("a layout has as many strides as dimensions, or none"));
        }
        let flag = |yes, flag| if yes { flag } else { 0 };
        Ok(sys::shmalloc_tensor {
            shape: self.shape.as_ptr(),
            strides: strides.map_or(ptr::null(), |strides| strides.as_ptr()),
            offset: self.offset,
            ndim: i32::try_from(self.shape.len()).map_err(|_| wrong("a layout with too many dimensions"))?,
            flags: flag(self.read_only, sys::SHMALLOC_TENSOR_READ_ONLY)
                | flag(self.padded, sys::SHMALLOC_TENSOR_PADDED),
            code: self.code,
            bits: self.bits,
            lanes: self.lanes,
            ..Default::default()
        })
    }

    /// # Safety
    /// Shape and strides are good for reading `ndim` numbers, strides may be NULL.
    unsafe fn of(raw: &sys::shmalloc_tensor) -> Layout {
        // SAFETY: as the caller promises.
        let numbers = |first: *const i64| match usize::try_from(raw.ndim) {
            Ok(count) if count > 0 => unsafe { std::slice::from_raw_parts(first, count) }.to_vec(),
            _ => Vec::new(),
        };
        Layout {
            shape: numbers(raw.shape),
            strides: if raw.strides.is_null() { None } else { Some(numbers(raw.strides)) },
            offset: raw.offset,
            code: raw.code,
            bits: raw.bits,
            lanes: raw.lanes,
            read_only: raw.flags & sys::SHMALLOC_TENSOR_READ_ONLY != 0,
            padded: raw.flags & sys::SHMALLOC_TENSOR_PADDED != 0,
        }
    }
}

/// As far as a deleter is concerned, what both structs of DLPack are made of. The places are part of DLPack's ABI.
#[repr(C)]
struct VersionedHead {
    version: [u32; 2],
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut sys::DLManagedTensorVersioned)>,
}

#[repr(C)]
struct Unversioned {
    data: *mut c_void,
    device: [i32; 2],
    ndim: i32,
    dtype: [u8; 4],
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut sys::DLManagedTensor)>,
}

/// One of the two sorts of tensor: what owns it, and the calls for it.
macro_rules! tensor {
    ($(#[$about:meta])* $name:ident, $raw:ident, $head:ty, $export:ident, $import:ident) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name {
            raw: NonNull<sys::$raw>,
        }

        // SAFETY: any thread may call the deleter of what the library exports, and from_raw asks the same of others. Nothing else is
        // done through the pointer.
        unsafe impl Send for $name {}

        impl $name {
            /// A tensor over a storage's bytes, for any consumer; without a layout all of them, as a vector of bytes. It holds a pin on
            /// the storage, as a view does.
            pub fn export(storage: &Storage, layout: Option<&Layout>) -> Result<$name> {
                let tensor = layout.map(Layout::raw).transpose()?;
                let tensor = tensor.as_ref().map_or(ptr::null(), |tensor| tensor as *const _);
                // SAFETY: the storage, the struct and what it points to are alive during the call.
                let raw = created(|out, err| unsafe { sys::$export(storage.raw(), tensor, out, err) })?;
                Ok($name { raw })
            }

            /// Takes over what a producer handed out.
            ///
            /// # Safety
            /// It is as DLPack says, nobody else calls its deleter, any thread may, and until then its memory is there, and used by nobody
            /// else in a way that would be a data race with relaxed atomic accesses of single bytes. None for NULL.
            pub unsafe fn from_raw(raw: *mut sys::$raw) -> Option<$name> {
                NonNull::new(raw).map(|raw| $name { raw })
            }

            /// For a consumer, who calls the deleter.
            pub fn into_raw(self) -> *mut sys::$raw {
                let raw = self.raw.as_ptr();
                std::mem::forget(self);
                raw
            }

            /// Where it is; it stays this object's.
            pub fn as_ptr(&self) -> *mut sys::$raw {
                self.raw.as_ptr()
            }

            /// A storage over its memory, from its lowest byte to its highest, and how they are to be seen. The tensor's deleter runs
            /// when the storage is closed or its last reference goes. As all adopted memory it is private to this process, until
            /// [`Storage::share`] moves it.
            pub fn import(self) -> Result<(Storage, Layout)> {
                ready()?;
                let mut tensor = sys::shmalloc_tensor::default();
                let raw = self.into_raw();
                // SAFETY: the library takes it over, on failure too; the struct says its size.
                let handle = created(|out, err| unsafe { sys::$import(raw, &mut tensor, out, err) })?;
                let storage = Storage::of(handle);
                let open = Pin::unseen(&storage)?; // shape and strides are good as long as nobody closes it
                // SAFETY: the pin forbids that.
                let layout = unsafe { Layout::of(&tensor) };
                drop(open);
                Ok((storage, layout))
            }
        }

        /// Calls the deleter.
        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: alive, and laid out as DLPack says; the deleter is called once, by its owner.
                unsafe {
                    if let Some(deleter) = (*self.raw.as_ptr().cast::<$head>()).deleter {
                        deleter(self.raw.as_ptr());
                    }
                }
            }
        }
    };
}

tensor!(
    /// A tensor as DLPack has it since version 1.0.
    Tensor, DLManagedTensorVersioned, VersionedHead, shmalloc_dlpack_export, shmalloc_dlpack_import
);

tensor!(
    /// A tensor as DLPack had it before version 1.0. It can't say that it is read-only.
    UnversionedTensor, DLManagedTensor, Unversioned, shmalloc_dlpack_export_unversioned, shmalloc_dlpack_import_unversioned
);
