//! The library that is linked has every size, offset, constant and function of this crate.
use shmalloc_sys::*;
use std::ffi::CString;
use std::os::raw::c_void;

/// As std's macro of that name, which Rust 1.63 does not have.
macro_rules! offset_of {
    ($type:ty, $field:ident) => {{
        let place = std::mem::MaybeUninit::<$type>::uninit();
        let base = place.as_ptr();
        // SAFETY: the field's address is computed, its value is not read.
        let field = unsafe { std::ptr::addr_of!((*base).$field) };
        field as i64 - base as i64
    }};
}

include!("layout/table.rs");

fn looked_up(name: &str) -> Result<i64, shmalloc_status> {
    let name = CString::new(name).unwrap();
    let (mut value, mut err) = (0, shmalloc_error::default());
    // SAFETY: the text ends with a zero byte, the other two are written to during the call.
    match unsafe { shmalloc_abi_lookup(name.as_ptr(), &mut value, &mut err) } {
        SHMALLOC_STATUS_OK => Ok(value),
        status => Err(status),
    }
}

#[test]
fn sizes_offsets_and_constants_are_the_library_s() {
    let wrong: Vec<_> = table()
        .into_iter()
        .map(|(name, ours)| (name, ours, looked_up(name)))
        .filter(|(_, ours, theirs)| *theirs != Ok(*ours))
        .collect();
    assert!(wrong.is_empty(), "(name, here, in the library): {wrong:?}");
}

#[test]
fn the_library_knows_what_it_does_not_have() {
    assert_eq!(looked_up("sizeof(shmalloc_nothing)"), Err(SHMALLOC_STATUS_NOT_FOUND));
}

#[test]
fn every_function_is_there() {
    assert!(functions().iter().all(|function| !function.is_null()));
}

#[test]
fn the_version_is_the_library_s() {
    // SAFETY: a call without arguments.
    assert_eq!(unsafe { shmalloc_version() }, SHMALLOC_VERSION);
}
