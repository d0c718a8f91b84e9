"""The same storage in another process: handles and sockets."""
from __future__ import annotations

import ctypes
import math
import select
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterable, Sequence

from . import _raw
from ._enums import Format, Kind, Route, known
from ._errors import CorruptError, NoSpaceError, WaitTimeoutError, call, encoded
from ._lifetime import Reference, created
from .device import Device

if TYPE_CHECKING:
    from .storage import Storage

_C = _raw.CONSTANTS
MESSAGE_MAX = _C['SHMALLOC_MESSAGE_MAX']


@dataclass(frozen=True)
class HandleInfo:
    """What a handle says; see shmalloc_handle_info."""

    size: int
    capacity: int
    offset: int
    device: Device
    identity: bytes
    format: Format | int
    kind: Kind | int
    read_only: bool
    descriptor: bool
    counted: bool
    route: Route | int
    pid: int
    version: tuple[int, int]


def _octets(handle: bytes) -> ctypes.Array[ctypes.c_uint8]:
    return (ctypes.c_uint8 * len(handle)).from_buffer_copy(handle)


def handle_info(handle: bytes) -> HandleInfo:
    """Read a handle without opening it."""
    info = _raw.make(_raw.HandleInfo)
    call('handle_get_info', _octets(handle), len(handle), ctypes.byref(info))
    read_only, descriptor, counted = (bool(info.flags & _C[f'SHMALLOC_EXPORT_{flag}'])
                                      for flag in ('READ_ONLY', 'DESCRIPTOR', 'COUNTED'))
    return HandleInfo(info.size, info.capacity, info.offset, Device.of(info.device), bytes(info.identity), known(Format, info.format),
                      known(Kind, info.kind), read_only, descriptor, counted, known(Route, info.route), info.pid,
                      (info.version_major, info.version_minor))


def handle_to_text(handle: bytes) -> str:
    """A handle as text that survives JSON, a command line and an environment variable."""
    length = ctypes.c_size_t(_C['SHMALLOC_HANDLE_TEXT_MAX'])
    room = ctypes.create_string_buffer(length.value)
    call('handle_to_text', _octets(handle), len(handle), room, ctypes.byref(length))
    return room.value.decode('ascii')


def handle_from_text(text: str) -> bytes:
    """The handle of a text."""
    length = ctypes.c_size_t(_C['SHMALLOC_HANDLE_MAX'])
    room = (ctypes.c_uint8 * length.value)()
    try:
        call('handle_from_text', encoded(text), room, ctypes.byref(length))
    except NoSpaceError as error:
        raise CorruptError('the text is longer than any handle') from error
    return bytes(room[:length.value])


def nanoseconds(seconds: float | None) -> int:
    """None: what is usual there; 0 (or less): no time at all; infinity: no end."""
    if seconds is None:
        return _C['SHMALLOC_TIME_DEFAULT']
    if seconds <= 0:
        return _C['SHMALLOC_TIME_NONE']
    if math.isinf(seconds) or seconds > 9e9:
        return _C['SHMALLOC_TIME_FOREVER']
    return max(1, int(seconds * 1e9))


def export_params(format: Format, read_only: bool, descriptor: bool, counted: bool, ttl: float | None) -> _raw.ExportParams:
    """shmalloc_export_params."""
    params = _raw.make(_raw.ExportParams)
    params.ttl_ns, params.format = nanoseconds(ttl), format
    for flag, wanted in (('READ_ONLY', read_only), ('DESCRIPTOR', descriptor), ('COUNTED', counted)):
        params.flags |= _C[f'SHMALLOC_EXPORT_{flag}'] if wanted else 0
    return params


def export_handle(reference: Reference, params: _raw.ExportParams) -> bytes:
    """shmalloc_storage_export."""
    length = ctypes.c_size_t(_C['SHMALLOC_HANDLE_MAX'])
    room = (ctypes.c_uint8 * length.value)()
    call('storage_export', reference, ctypes.byref(params), room, ctypes.byref(length))
    return bytes(room[:length.value])


def export_descriptors(reference: Reference, params: _raw.ExportParams) -> list[int]:
    """shmalloc_storage_export_fds."""
    count = ctypes.c_size_t(4)
    while True:
        room = (ctypes.c_int32 * count.value)()
        try:
            call('storage_export_fds', reference, ctypes.byref(params), room, ctypes.byref(count))
        except NoSpaceError:
            if count.value <= len(room):
                raise
        else:
            return list(room[:count.value])


def _import_params(read_only: bool, counted: bool, same_user: bool, timeout: float | None) -> _raw.ImportParams:
    params = _raw.make(_raw.ImportParams)
    params.timeout_ns = nanoseconds(timeout)
    for flag, wanted in (('READ_ONLY', read_only), ('SAME_USER', same_user), ('COUNTED', counted)):
        params.flags |= _C[f'SHMALLOC_IMPORT_{flag}'] if wanted else 0
    return params


def open_handle(handle: bytes, fds: Iterable[int], format: Format, read_only: bool, counted: bool) -> Reference:
    """shmalloc_storage_import."""
    fds = list(fds)
    params = _import_params(read_only, counted, False, None)
    params.format = format
    return created('storage_import', _octets(handle), len(handle), (ctypes.c_int32 * len(fds))(*fds) if fds else None, len(fds),
                   ctypes.byref(params))


def send(sock: socket.socket, storages: Sequence[Storage], *, read_only: bool = False, ttl: float | None = None) -> None:
    """Send storages over a unix socket in one message, with all that the receiver needs. Waits as long as the socket's timeout
    says."""
    references = [storage._ref() for storage in storages]
    handles = (ctypes.c_void_p * len(references))(*[reference._as_parameter_.value for reference in references])
    params = export_params(Format.NATIVE, read_only, False, False, ttl)
    timeout = sock.gettimeout()
    end = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        try:
            return call('storage_send', sock.fileno(), handles, len(references), ctypes.byref(params))
        except WaitTimeoutError:
            left = end - time.monotonic()
            if left <= 0:
                raise
            poll = select.poll()
            poll.register(sock, select.POLLOUT)
            if poll.poll(None if left == math.inf else math.ceil(left * 1000)):
                time.sleep(min(left, 0.001))  # there is room, but not yet enough of it


def receive(sock: socket.socket, *, room: int = MESSAGE_MAX, read_only: bool = False, same_user: bool = False,
            timeout: float | None = None) -> list[Storage]:
    """The storages of one message. Waits for it as long as `timeout` or the socket's own says. NoSpaceError: there are more than
    `room`, and they wait."""
    from .storage import Storage
    if timeout is None:
        timeout = sock.gettimeout()
    params = _import_params(read_only, False, same_user, math.inf if timeout is None else timeout)
    handles, count = (ctypes.c_void_p * room)(), ctypes.c_size_t(room)
    call('storage_receive', sock.fileno(), ctypes.byref(params), handles, ctypes.byref(count))
    return [Storage._of(Reference(ctypes.c_void_p(handle))) for handle in handles[:count.value]]
