//! Hearing what no call can return.
use crate::adopt::{give_back, stopped};
use crate::error::call;
use crate::{sys, Result};
use std::ffi::CStr;
use std::os::raw::{c_char, c_void};
use std::ptr;

enumeration! {
    /// How important a log line is.
    pub enum LogLevel: i32 {
        /// Nothing is.
        None = sys::SHMALLOC_LOG_LEVEL_NONE,
        /// Something could not be given back.
        Error = sys::SHMALLOC_LOG_LEVEL_ERROR,
        /// Something is not as asked.
        Warning = sys::SHMALLOC_LOG_LEVEL_WARNING,
        /// Something worth knowing.
        Note = sys::SHMALLOC_LOG_LEVEL_NOTE,
    }
}

/// Call `listener` for each line of at least this importance, instead of the listener before. It runs on any thread, on several at once,
/// in the middle of calls; a panic in it goes no further. One for the whole process. `Busy`: called by a listener.
pub fn set_log<F>(level: LogLevel, listener: F) -> Result<()>
where
    F: Fn(LogLevel, &str) + Send + Sync + 'static,
{
    let userdata = Box::into_raw(Box::new(listener)).cast();
    // SAFETY: the listener goes to destroy_fn, and is used by nobody but `hear` until then; it is Send and Sync.
    call(|err| unsafe { sys::shmalloc_set_log(Some(hear::<F>), level.code(), userdata, Some(give_back::<F>), err) })
}

/// Take the listener off: when this returns it runs no more, and was dropped.
pub fn clear_log() -> Result<()> {
    // SAFETY: nothing is passed.
    call(|err| unsafe { sys::shmalloc_set_log(None, sys::SHMALLOC_LOG_LEVEL_NONE, ptr::null_mut(), None, err) })
}

unsafe extern "C" fn hear<F: Fn(LogLevel, &str)>(level: i32, message: *const c_char, userdata: *mut c_void) {
    // SAFETY: what set_log() passed, alive until destroy_fn runs; the message lives during this call and ends with a zero byte.
    let (listener, message) = unsafe { (&*userdata.cast::<F>(), CStr::from_ptr(message)) };
    stopped(|| listener(LogLevel::from_code(level), &message.to_string_lossy()));
}
