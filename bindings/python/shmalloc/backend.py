"""Bring your own device: a Python class becomes one, with caching allocators, their statistics, and storages."""
from __future__ import annotations

import ctypes
import functools
from typing import Any, Callable

from . import _raw
from ._enums import Capability, Status
from ._errors import ShmallocError, UnsupportedError, call, encoded
from ._lifetime import drop, keeping, kept, report
from .device import Device


class Backend:
    """The functions of a device. Derive from it, override what the device has, and give it to register_device().

    Any thread may call any of them, several at once, with other Python code in between. Addresses, streams, events and memory are numbers of
    yours other than 0; stream 0 is the default one. Of shmalloc they may use nothing: numbers are all that they get. The rules stand in
    shmalloc/backend.h.

    Don't fork while another thread is in a call on the device, if it has streams: the fork waits for that call, which needs the GIL, and
    os.fork() holds it. Let no daemon thread be in one when the program ends: the interpreter ends such a thread there, and with it perhaps
    the process, by an abort.

    Who fails raises, and has changed nothing: MemoryError or OutOfMemoryError when there is none left, BackendError(text, backend_error=code)
    with a code of the driver's, or another ShmallocError. The status or the code reaches the caller, the text does not. Any other exception is
    a mistake of the device's: it goes to sys.unraisablehook, and the caller hears of an InternalError."""

    #: For people, up to 63 bytes; else the name of the class.
    name: str = ''
    #: Bytes, of what allocate() gives: a power of two; 0: 16.
    alignment: int = 0
    #: Bytes, the unit of virtual memory; 0 without it.
    page_size: int = 0
    #: Whether the host reads and writes its addresses.
    host_access: bool = False

    def allocate(self, size: int) -> int:
        """Memory with an address."""
        raise _absent()

    def deallocate(self, address: int, size: int) -> None:
        """No work uses it any more; the size is what allocate() was asked for."""
        raise _absent()

    # Each for itself; what is not overridden the device does not have.

    def memory_info(self) -> tuple[int, int]:
        """Bytes that can be had now, and all there are."""
        raise _absent()

    def copy(self, to: int, from_: int, size: int, stream: int) -> None:
        """Queue a copy between any two of the device's and the host's addresses."""
        raise _absent()

    def fill(self, to: int, value: int, size: int, stream: int) -> None:
        """Queue that bytes get a value."""
        raise _absent()

    def call(self, stream: int, work: Callable[[], None]) -> None:
        """Queue a function, which is to be called once, on any thread."""
        raise _absent()

    def synchronize(self) -> None:
        """Wait for all streams."""
        raise _absent()

    def stream_capturing(self, stream: int) -> bool:
        """Whether it is being captured."""
        raise _absent()

    def enable_peer(self, peer: Backend) -> None:
        """Let another device's streams use this one's memory. Both are in Python, of whichever classes."""
        raise _absent()

    # Streams and events: all or none.

    def stream_create(self) -> int:
        """A new stream."""
        raise _absent()

    def stream_destroy(self, stream: int) -> None:
        """What is queued is done all the same."""
        raise _absent()

    def stream_synchronize(self, stream: int) -> None:
        """Wait until all is done that was queued."""
        raise _absent()

    def stream_wait(self, event: int, stream: int) -> None:
        """The stream goes on after the event as it was recorded last."""
        raise _absent()

    def event_create(self) -> int:
        """A new event."""
        raise _absent()

    def event_destroy(self, event: int) -> None:
        """Waits for it keep their meaning."""
        raise _absent()

    def event_record(self, event: int, stream: int) -> None:
        """The event means what is queued on the stream so far."""
        raise _absent()

    def event_query(self, event: int) -> bool:
        """Whether it is done; one never recorded is."""
        raise _absent()

    def event_synchronize(self, event: int) -> None:
        """Wait until it is done."""
        raise _absent()

    # Virtual memory: all or none.

    def virtual_reserve(self, size: int) -> int:
        """Addresses without memory."""
        raise _absent()

    def virtual_unreserve(self, address: int, size: int) -> None:
        """Nothing is mapped there."""
        raise _absent()

    def virtual_create(self, size: int) -> int:
        """Memory without an address."""
        raise _absent()

    def virtual_destroy(self, memory: int) -> None:
        """It lasts where it is mapped."""
        raise _absent()

    def virtual_map(self, address: int, size: int, memory: int) -> None:
        """All of the memory; nothing may be done there until virtual_access()."""
        raise _absent()

    def virtual_unmap(self, address: int, size: int) -> None:
        """Whole pieces that lie side by side."""
        raise _absent()

    def virtual_access(self, address: int, size: int, access: int) -> None:
        """What may be done to whole pieces that lie side by side: an Access; 0: nothing."""
        raise _absent()


def _absent() -> UnsupportedError:
    return UnsupportedError('a function that the device does not have')


def _answer(token: int, name: str, arguments: tuple[Any, ...], store: Callable[[Any], None] | None = None) -> int:
    """Call a device's function, and say how it went as the library hears it."""
    try:
        value = getattr(kept(token), name)(*arguments)
        if store is not None:
            store(value)
        return Status.OK
    except ShmallocError as error:
        return error.backend_error if 0 < error.backend_error < 1 << 31 else error.status
    except MemoryError:
        return Status.NO_MEMORY
    except BaseException as error:  # in the middle of somebody else's call
        report(error)
        return Status.INTERNAL


def _does(name: str) -> Callable[..., int]:
    return lambda *arguments: _answer(arguments[-1], name, arguments[:-1])


def _gives(name: str, sized: bool, kind: Callable[[Any], int] = int) -> Callable[..., int]:
    """With a number as its result."""
    def function(argument: int, out: Any, token: int) -> int:
        def store(value: Any) -> None:
            out[0] = kind(value)
        return _answer(token, name, (argument,) if sized else (), store)
    return function


def _memory_info(available: Any, total: Any, token: int) -> int:
    def store(value: tuple[int, int]) -> None:
        available[0], total[0] = value
    return _answer(token, 'memory_info', (), store)


def _call(stream: int, function: int, argument: int | None, token: int) -> int:
    return _answer(token, 'call', (stream, functools.partial(_raw.work_fn(function), argument)))


def _enable_peer(peer: int, token: int) -> int:
    return _answer(token, 'enable_peer', (kept(peer),))


@functools.lru_cache(maxsize=None)
def _functions() -> dict[str, Any]:
    """All functions that a device can have, as the library calls them. One for all devices: userdata says which is meant."""
    special: dict[str, Callable[..., int]] = {'memory_info': _memory_info, 'call': _call, 'enable_peer': _enable_peer}
    for name in ('allocate', 'virtual_reserve', 'virtual_create'):
        special[name] = _gives(name, True)
    for name in ('stream_create', 'event_create'):
        special[name] = _gives(name, False)
    for name in ('stream_capturing', 'event_query'):
        special[name] = _gives(name, True, bool)
    return {name: kind(special.get(name) or _does(name)) for name, kind, *_ in _raw.Backend._fields_ if hasattr(kind, '_restype_')}


def register_device(backend: Backend) -> Device:
    """Make a device of type CUSTOM, which lasts until unregister_device(), and keeps `backend` as long. NoSpaceError: 64 are there already.
    InvalidError: says which function is missing."""
    table = _raw.make(_raw.Backend)
    table.name, table.alignment, table.page_size = encoded(backend.name or type(backend).__name__), backend.alignment, backend.page_size
    table.capabilities = Capability.HOST_ACCESS if backend.host_access else 0
    for name, function in _functions().items():
        if getattr(type(backend), name) is not getattr(Backend, name):
            setattr(table, name, function)
    number = ctypes.c_uint64()
    with keeping(backend) as token:
        call('device_register', ctypes.byref(table), token, drop, ctypes.byref(number))
    return Device.of(number.value)


def unregister_device(device: Device) -> None:
    """Such a device is not used any more: its number is void at once. BusyError: allocators of it are there. NotFoundError."""
    call('device_unregister', device.number)
