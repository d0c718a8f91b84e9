"""Exceptions: one class for each status, and the one place where a status becomes one."""
from __future__ import annotations

import ctypes
import os
from typing import Any, Callable

from . import _raw
from ._enums import Status


class ShmallocError(Exception):
    """A call of the library failed. The message says what was tried, on what, why it failed and what to do about it."""

    #: What the call returned.
    status: Status = Status.INTERNAL
    #: The system's errno, or 0.
    os_error: int = 0
    #: A driver's own code, or 0.
    backend_error: int = 0

    def __init__(self, message: str = '', os_error: int = 0, backend_error: int = 0) -> None:
        super().__init__(message)
        self.os_error, self.backend_error = os_error, backend_error
        if isinstance(self, OSError):
            setattr(self, 'errno', os_error or None)


class InvalidError(ShmallocError, ValueError):
    """An argument, or two of them together, can't be right."""


class OutOfMemoryError(ShmallocError, MemoryError):
    """The process, the device or a quota has no memory left."""


class NoSpaceError(ShmallocError, OSError):
    """A file system or a table of the system is full."""


class NotFoundError(ShmallocError, FileNotFoundError):
    """No such name, address, device or key."""


class ExistsError(ShmallocError, FileExistsError):
    """The name is taken."""


class PermissionDeniedError(ShmallocError, PermissionError):
    """Refused by the system, by a seal, or by a read-only export."""


class BusyError(ShmallocError, BufferError):
    """In use: a view of it lives, it is being changed, somebody holds it."""


class WaitTimeoutError(ShmallocError, TimeoutError):
    """Not ready in the time given."""


class UnsupportedError(ShmallocError, NotImplementedError):
    """This kind, machine or version of the library can't do it."""


class VersionError(ShmallocError, ValueError):
    """Bytes of a format newer than the library reads."""


class CorruptError(ShmallocError, ValueError):
    """Bytes from outside that fail their checks."""


class StaleError(ShmallocError, LookupError):
    """A handle whose storage is gone, expired or revoked."""


class PeerGoneError(ShmallocError, ConnectionError):
    """The process at the other end is dead, or closed the socket."""


class ClosedError(ShmallocError, ValueError):
    """The storage was closed or released."""


class WaitInterruptedError(ShmallocError, InterruptedError):
    """A wait was ended from outside."""


class SystemCallError(ShmallocError, OSError):
    """A system call failed; errno says how."""


class BackendError(ShmallocError, RuntimeError):
    """A device's driver failed; backend_error says how."""


class InternalError(ShmallocError, RuntimeError):
    """A bug in shmalloc."""


_CLASSES = {
    Status.INVALID: InvalidError, Status.NO_MEMORY: OutOfMemoryError, Status.NO_SPACE: NoSpaceError,
    Status.NOT_FOUND: NotFoundError, Status.EXISTS: ExistsError, Status.PERMISSION: PermissionDeniedError, Status.BUSY: BusyError,
    Status.TIMEOUT: WaitTimeoutError, Status.UNSUPPORTED: UnsupportedError, Status.VERSION: VersionError,
    Status.CORRUPT: CorruptError, Status.STALE: StaleError, Status.PEER_GONE: PeerGoneError, Status.CLOSED: ClosedError,
    Status.INTERRUPTED: WaitInterruptedError, Status.SYSTEM: SystemCallError, Status.BACKEND: BackendError,
    Status.INTERNAL: InternalError,
}
for _status, _class in _CLASSES.items():
    _class.status = _status


def status_name(status: int) -> str:
    """Name of a status, also of one that this binding does not know yet; "UNKNOWN" if nobody does."""
    name: bytes = _raw.library().shmalloc_status_name(status)
    return name.decode()


def error_of(status: int, err: _raw.Error) -> ShmallocError:
    """The exception for what a call returned and wrote."""
    message = err.message.decode('utf-8', 'replace')
    return _CLASSES[Status(status)](message or status_name(status), err.os_error, err.backend_error)


#: What no finalizer can give back (see _capsule) is looked after by these: True if there was something.
_sweepers: list[Callable[[], bool]] = []


def sweep() -> bool:
    """Give back what was dropped. Called where it would be missed: when something is released, described, or found busy."""
    return any([sweeper() for sweeper in _sweepers])


def call(name: str, *arguments: Any) -> None:
    """Call `shmalloc_<name>`, the error left out, and raise what it answers. A wait that a signal ended goes on: Python has run
    the signal's handler by then, and an exception out of it ends the wait."""
    function = getattr(_raw.library(), 'shmalloc_' + name)
    err = _raw.Error()
    while True:
        status = function(*arguments, ctypes.byref(err))
        if status == 0:
            return
        if status == Status.BUSY and sweep():
            continue
        if status != Status.INTERRUPTED:
            raise error_of(status, err)


def text(name: str, *arguments: Any) -> str:
    """Call a function that ends with a text and its length. Names and paths come out as the system has them."""
    length = ctypes.c_size_t(256)
    while True:
        room = ctypes.create_string_buffer(length.value)
        try:
            call(name, *arguments, room, ctypes.byref(length))
        except NoSpaceError:
            if length.value <= len(room):
                raise
        else:
            return os.fsdecode(room.value)


def encoded(value: str | bytes | os.PathLike[str] | None) -> bytes | None:
    """Text as the library takes it; it ends at a zero byte, so there must be none."""
    if value is None:
        return None
    data = os.fsencode(value)
    if b'\0' in data:
        raise InvalidError('text with a zero byte in it')
    return data
