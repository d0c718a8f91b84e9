//! The C interface of shmalloc. The C headers are its documentation; the crate `shmalloc` is the safe layer over it.
//!
//! Flags and enumerations are plain integers, as C has them: a library that is newer than this crate may answer with values that have
//! no name here. A struct that begins with `struct_size` has it set by its `Default`.
#![allow(non_camel_case_types)]

#[rustfmt::skip]
mod raw;
pub use raw::*;
