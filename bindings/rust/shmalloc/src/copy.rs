//! Copying to and from memory that another process or thread may be writing at the same time.
//!
//! A plain read of such bytes is a data race, which Rust does not define. What is here reads and writes each byte as a relaxed atomic
//! of its own: a copy that is made while somebody writes has old bytes and new ones, and nothing worse happens.

/// Copy `count` bytes; either side may be shared.
///
/// # Safety
/// `from` is good for reading and `to` for writing so many bytes, and the two do not overlap.
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as promised by the caller. The instruction moves bytes, none of them in parts, and is opaque to the compiler: it
    // stands for the loop below, and is as fast as memcpy.
    unsafe {
        std::arch::asm!("rep movsb", inout("rcx") count => _, inout("rsi") from => _, inout("rdi") to => _,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
        // SAFETY: within what the caller promised; AtomicU8 has the layout of u8.
        unsafe {
            (*to.add(index).cast::<AtomicU8>()).store((*from.add(index).cast::<AtomicU8>()).load(Relaxed), Relaxed)
        };
    }
}

/// Set `count` bytes to one value.
///
/// # Safety
/// `to` is good for writing so many bytes.
pub(crate) unsafe fn fill(to: *mut u8, value: u8, count: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as promised by the caller, and as above.
    unsafe {
        std::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
        // SAFETY: within what the caller promised; AtomicU8 has the layout of u8.
        unsafe { (*to.add(index).cast::<AtomicU8>()).store(value, Relaxed) };
    }
}
