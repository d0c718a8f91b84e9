//! Text into the library and out of it.
use crate::error::call;
use crate::{sys, Error, Result, Status};
use std::ffi::{CString, OsStr, OsString};
use std::os::raw::c_char;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;

/// Call a function that ends with a text and its length.
pub(crate) fn text(
    mut function: impl FnMut(*mut c_char, *mut usize, *mut sys::shmalloc_error) -> sys::shmalloc_status,
) -> Result<OsString> {
    let mut room = vec![0_u8; 256];
    loop {
        let mut length = room.len();
        match call(|err| function(room.as_mut_ptr().cast(), &mut length, err)) {
            Ok(()) => {
                room.truncate(length.saturating_sub(1)); // the zero byte
                return Ok(OsString::from_vec(room));
            }
            Err(error) if error.status() == Status::NoSpace && length > room.len() => room.resize(length, 0),
            Err(error) => return Err(error),
        }
    }
}

/// The same for a text that is valid UTF-8.
pub(crate) fn utf8(
    function: impl FnMut(*mut c_char, *mut usize, *mut sys::shmalloc_error) -> sys::shmalloc_status,
) -> Result<String> {
    Ok(text(function)?.to_string_lossy().into_owned())
}

/// Text as the library takes it: it ends at a zero byte, so there must be none in it.
pub(crate) fn c_text(text: impl AsRef<OsStr>) -> Result<CString> {
    CString::new(text.as_ref().as_bytes()).map_err(|_| Error::new(Status::Invalid, "text with a zero byte in it"))
}

/// The same where there may be none.
pub(crate) fn c_text_or_none(text: Option<impl AsRef<OsStr>>) -> Result<Option<CString>> {
    text.map(c_text).transpose()
}

/// NULL for none.
pub(crate) fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(ptr::null(), |text| text.as_ptr())
}
