package shmalloc

// #include "shim.h"
import "C"

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// What errors.Is finds in the errors of this package. Where the standard library has an error of the same meaning (fs.ErrNotExist,
// fs.ErrExist, fs.ErrPermission, fs.ErrClosed, fs.ErrInvalid, os.ErrDeadlineExceeded), errors.Is finds that one too.
var (
	ErrInvalid     error = StatusInvalid     // an argument, or two of them together, can't be right
	ErrNoMemory    error = StatusNoMemory    // the process, the device or a quota has no memory left
	ErrNoSpace     error = StatusNoSpace     // a file system or a table of the system is full
	ErrNotFound    error = StatusNotFound    // no such name, address, device or key
	ErrExists      error = StatusExists      // the name is taken
	ErrPermission  error = StatusPermission  // refused by the system, by a seal, or by a read-only export
	ErrBusy        error = StatusBusy        // in use: a view of it is open, it is being changed, somebody holds it
	ErrTimeout     error = StatusTimeout     // not ready in the time given
	ErrUnsupported error = StatusUnsupported // this kind, machine or version of the library can't do it
	ErrVersion     error = StatusVersion     // bytes of a format newer than the library reads
	ErrCorrupt     error = StatusCorrupt     // bytes from outside that fail their checks
	ErrStale       error = StatusStale       // a handle whose storage is gone, expired or revoked
	ErrPeerGone    error = StatusPeerGone    // the process at the other end is dead, or closed the socket
	ErrClosed      error = StatusClosed      // the object was closed
	ErrInterrupted error = StatusInterrupted // a wait was ended from outside: its context was cancelled
	ErrSystem      error = StatusSystem      // a system call failed; Error.Errno says how
	ErrBackend     error = StatusBackend     // a device's driver failed; Error.Backend says how
	ErrInternal    error = StatusInternal    // a bug in shmalloc
)

// String is the status as the C library names it: "NO_SPACE", or "UNKNOWN" for a number without a name.
func (s Status) String() string { return C.GoString(C.shmalloc_status_name(C.int32_t(s))) }

// Error is the same, so that a Status is what errors.Is compares with.
func (s Status) Error() string { return s.String() }

// Error is what every call of this package fails with.
type Error struct {
	Status  Status
	Errno   syscall.Errno // the system's, or 0; errors.Is finds it
	Backend int64         // a driver's own code, or 0
	Message string        // what was tried, on what, why it failed, what to do
	Cause   error         // what else errors.Is shall find: a context's or a connection's error; nil: none
}

func (e *Error) Error() string {
	message := "shmalloc: " + e.Status.String()
	if e.Message != "" {
		message += ": " + e.Message
	}
	return message
}

// Timeout tells whether more time could have helped, as net.Error does.
func (e *Error) Timeout() bool { return e.Status == StatusTimeout }

// Temporary completes net.Error. Its meaning is as vague there; here it is Timeout.
func (e *Error) Temporary() bool { return e.Timeout() }

// Unwrap gives the cause, or the system's errno.
func (e *Error) Unwrap() error {
	if e.Cause != nil {
		return e.Cause
	}
	if e.Errno != 0 {
		return e.Errno
	}
	return nil
}

var standard = map[error]Status{
	fs.ErrInvalid:          StatusInvalid,
	fs.ErrNotExist:         StatusNotFound,
	fs.ErrExist:            StatusExists,
	fs.ErrPermission:       StatusPermission,
	fs.ErrClosed:           StatusClosed,
	os.ErrDeadlineExceeded: StatusTimeout,
}

// Is compares with a Status, with the sentinels, which are statuses, and with the standard library's errors.
func (e *Error) Is(target error) bool {
	if status, ok := target.(Status); ok {
		return e.Status == status
	}
	for known, status := range standard {
		if target == known {
			return e.Status == status
		}
	}
	return false
}

func refused(status Status, message string) error { return &Error{Status: status, Message: message} }

func isStatus(err error, status Status) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == status
}

// A frame is what one call writes to. C gets its address, so it lies in the heap, and is used again.
type frame struct {
	err     C.shmalloc_error
	storage *C.shmalloc_storage
	data    unsafe.Pointer
	size    C.size_t
}

var frames = sync.Pool{New: func() any { return new(frame) }}

func newFrame() *frame { return frames.Get().(*frame) }

func (f *frame) done() { frames.Put(f) }

// check makes an error of what a call returned and wrote.
func (f *frame) check(status C.shmalloc_status) error {
	if status == C.SHMALLOC_STATUS_OK {
		return nil
	}
	return &Error{
		Status:  Status(status),
		Errno:   syscall.Errno(f.err.os_error),
		Backend: int64(f.err.backend_error),
		Message: C.GoString(&f.err.message[0]),
	}
}
