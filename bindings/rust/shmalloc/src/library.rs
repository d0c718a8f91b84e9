//! What the library says of itself, and its small helps.
use crate::error::call;
use crate::{sys, text, Result};
use std::ffi::CStr;

/// Version of the library that was found at run time, major * 10^6 + minor * 10^3 + patch. One that does not fit this crate makes every
/// call that creates something end with [`Status::Version`](crate::Status::Version).
pub fn version() -> u32 {
    // SAFETY: a call without arguments.
    unsafe { sys::shmalloc_version() }
}

/// The same for people: `0.1.0`.
pub fn version_string() -> &'static str {
    // SAFETY: the answer is static text.
    let text = unsafe { CStr::from_ptr(sys::shmalloc_version_string()) };
    text.to_str().unwrap_or_default()
}

/// Value of a constant, size or offset of the library's header: `SHMALLOC_STATUS_STALE`, `sizeof(shmalloc_error)`. `NotFound`: it has none
/// of that name.
pub fn abi_lookup(name: &str) -> Result<i64> {
    let name = text::c_text(name)?;
    let mut value = 0;
    // SAFETY: the name is alive during the call.
    call(|err| unsafe { sys::shmalloc_abi_lookup(name.as_ptr(), &mut value, err) })?;
    Ok(value)
}

/// A size for people: `1.50 KiB`.
pub fn format_size(bytes: u64) -> Result<String> {
    // SAFETY: the room is as long as said.
    text::utf8(|text, length, err| unsafe { sys::shmalloc_format_size(bytes, text, length, err) })
}

/// A new unguessable name for a shared object, with its leading slash. Without a prefix it begins with `shmalloc`.
pub fn make_name(prefix: Option<&str>) -> Result<String> {
    let prefix = text::c_text_or_none(prefix)?;
    // SAFETY: the prefix is alive during the call; the room is as long as said.
    text::utf8(|text, length, err| unsafe { sys::shmalloc_make_name(text::pointer(&prefix), text, length, err) })
}
