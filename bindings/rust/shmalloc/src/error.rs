//! What went wrong, and the one place where a status becomes an error.
use crate::sys;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::{error, fmt, io};

enumeration! {
    /// What a call that failed returned.
    pub enum Status: i32 {
        /// An argument, or two of them together, can't be right.
        Invalid = sys::SHMALLOC_STATUS_INVALID,
        /// The process, the device or a quota has no memory left.
        NoMemory = sys::SHMALLOC_STATUS_NO_MEMORY,
        /// A file system, a table of the system or a buffer is too small.
        NoSpace = sys::SHMALLOC_STATUS_NO_SPACE,
        /// No such name, address, device or key.
        NotFound = sys::SHMALLOC_STATUS_NOT_FOUND,
        /// The name is taken.
        Exists = sys::SHMALLOC_STATUS_EXISTS,
        /// Refused by the system, by a seal, or by a read-only export.
        Permission = sys::SHMALLOC_STATUS_PERMISSION,
        /// In use: a view of it lives, it is being changed, somebody holds it.
        Busy = sys::SHMALLOC_STATUS_BUSY,
        /// Not ready in the time given.
        Timeout = sys::SHMALLOC_STATUS_TIMEOUT,
        /// This kind, machine or version of the library can't do it.
        Unsupported = sys::SHMALLOC_STATUS_UNSUPPORTED,
        /// Bytes of a format newer than the library reads, or a library that this crate is not for.
        Version = sys::SHMALLOC_STATUS_VERSION,
        /// Bytes from outside that fail their checks.
        Corrupt = sys::SHMALLOC_STATUS_CORRUPT,
        /// A handle whose storage is gone, expired or revoked.
        Stale = sys::SHMALLOC_STATUS_STALE,
        /// The process at the other end is dead, or closed the socket.
        PeerGone = sys::SHMALLOC_STATUS_PEER_GONE,
        /// The storage or the channel was closed.
        Closed = sys::SHMALLOC_STATUS_CLOSED,
        /// A wait was ended from outside. The waits of this crate go on by themselves.
        Interrupted = sys::SHMALLOC_STATUS_INTERRUPTED,
        /// A system call failed; [`Error::os_error`] says how.
        System = sys::SHMALLOC_STATUS_SYSTEM,
        /// A device's driver failed; [`Error::backend_error`] says how.
        Backend = sys::SHMALLOC_STATUS_BACKEND,
        /// A bug in the library.
        Internal = sys::SHMALLOC_STATUS_INTERNAL,
    }
}

impl Status {
    /// Its name, as the library has it: `NO_SPACE`.
    pub fn name(self) -> &'static str {
        // SAFETY: the answer is static text, never NULL.
        let name = unsafe { CStr::from_ptr(sys::shmalloc_status_name(self.code())) };
        name.to_str().unwrap_or("UNKNOWN")
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A call failed. The message says what was tried, on what, why it failed and what to do about it.
pub struct Error {
    /// Boxed, so that a `Result` stays small.
    inner: Box<Inner>,
}

struct Inner {
    status: Status,
    os_error: i32,
    backend_error: i64,
    message: String,
}

/// What every call that can fail returns.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Error {
        Error { inner: Box::new(Inner { status, os_error: 0, backend_error: 0, message: message.into() }) }
    }

    fn of(status: sys::shmalloc_status, raw: &sys::shmalloc_error) -> Error {
        let message = bounded_text(&raw.message);
        Error {
            inner: Box::new(Inner {
                status: Status::from_code(status),
                os_error: raw.os_error,
                backend_error: raw.backend_error,
                message,
            }),
        }
    }

    /// What the call returned.
    pub fn status(&self) -> Status {
        self.inner.status
    }

    /// The system's errno, if it was the system that refused.
    pub fn os_error(&self) -> Option<i32> {
        Some(self.inner.os_error).filter(|code| *code != 0)
    }

    /// A driver's own code, if it was a driver that refused.
    pub fn backend_error(&self) -> Option<i64> {
        Some(self.inner.backend_error).filter(|code| *code != 0)
    }

    /// What was tried, on what, why it failed, what to do.
    pub fn message(&self) -> &str {
        &self.inner.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.message().is_empty() { self.status().name() } else { self.message() })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("status", &self.status()).field("message", &self.message());
        if let Some(code) = self.os_error() {
            debug.field("os_error", &code);
        }
        if let Some(code) = self.backend_error() {
            debug.field("backend_error", &code);
        }
        debug.finish()
    }
}

impl error::Error for Error {}

/// The kind is that of the system's errno where there is one, else the one nearest to the status. The error itself is inside.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match (error.os_error(), error.status()) {
            (Some(code), _) => io::Error::from_raw_os_error(code).kind(),
            (_, Status::Invalid) => io::ErrorKind::InvalidInput,
            (_, Status::NoMemory) => io::ErrorKind::OutOfMemory,
            (_, Status::NotFound) => io::ErrorKind::NotFound,
            (_, Status::Exists) => io::ErrorKind::AlreadyExists,
            (_, Status::Permission) => io::ErrorKind::PermissionDenied,
            (_, Status::Timeout) => io::ErrorKind::TimedOut,
            (_, Status::Unsupported) => io::ErrorKind::Unsupported,
            (_, Status::Version | Status::Corrupt) => io::ErrorKind::InvalidData,
            (_, Status::PeerGone | Status::Closed) => io::ErrorKind::BrokenPipe,
            (_, Status::Interrupted) => io::ErrorKind::Interrupted,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Text in an array that ends with a zero byte.
pub(crate) fn bounded_text(array: &[std::os::raw::c_char]) -> String {
    let bytes: Vec<u8> = array.iter().map(|byte| *byte as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Call something that writes an error only when it fails.
pub(crate) fn call(function: impl FnOnce(*mut sys::shmalloc_error) -> sys::shmalloc_status) -> Result<()> {
    let mut err = MaybeUninit::uninit();
    match function(err.as_mut_ptr()) {
        sys::SHMALLOC_STATUS_OK => Ok(()),
        // SAFETY: a call that returned anything else has written it, all 256 bytes.
        status => Err(Error::of(status, unsafe { err.assume_init_ref() })),
    }
}

/// Call something that ends with an owned handle.
pub(crate) fn created<T>(
    function: impl FnOnce(*mut *mut T, *mut sys::shmalloc_error) -> sys::shmalloc_status,
) -> Result<NonNull<T>> {
    ready()?;
    let mut handle = ptr::null_mut();
    call(|err| function(&mut handle, err))?;
    NonNull::new(handle).ok_or_else(|| Error::new(Status::Internal, "the library handed out nothing"))
}

/// The library that was found at run time has the interface that this crate is written for. Asked once.
pub(crate) fn ready() -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static FITS: AtomicBool = AtomicBool::new(false);
    if FITS.load(Ordering::Relaxed) {
        return Ok(());
    }
    let (ours, theirs) = (sys::SHMALLOC_VERSION, crate::version());
    // Versions before 1.0 fit when major and minor are the same.
    let part = if ours < 1_000_000 { 1_000 } else { 1_000_000 };
    if theirs < ours || theirs / part != ours / part {
        let message = format!("the library is version {theirs}, this crate is for version {ours}: install that one");
        return Err(Error::new(Status::Version, message));
    }
    FITS.store(true, Ordering::Relaxed);
    Ok(())
}
