"""Who holds what, and how it goes back: references, pins, and Python objects that the library keeps.

Finalizers run at any moment on any thread, so they only call leaves: `shmalloc_release_deferred` and `shmalloc_storage_unpin`. What has no
leaf (streams, events, observers) they note down. The next call that may do so does the work.
"""
from __future__ import annotations

import collections
import contextlib
import ctypes
import itertools
import os
import weakref
from typing import Any, Iterator, Type, TypeVar

from . import _raw
from ._enums import Access, Trim
from ._errors import BusyError, ClosedError, PermissionDeniedError, ShmallocError, UnsupportedError, _sweepers, call, sweep

HOST = _raw.CONSTANTS['SHMALLOC_DEVICE_HOST']


class Reference:
    """One reference of an allocator, a storage or a channel. Passed to a call it stays alive until the call is done, whatever other threads
    release meanwhile."""

    __slots__ = ('_as_parameter_', '__weakref__')

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._as_parameter_ = handle
        weakref.finalize(self, _raw.library().shmalloc_release_deferred, handle).atexit = False


def created(name: str, *arguments: Any) -> Reference:
    """Call a function that ends with an owned handle."""
    handle = ctypes.c_void_p()
    call(name, *arguments, ctypes.byref(handle))
    return Reference(handle)


def run_deferred() -> None:
    """Do now what finalizers put off."""
    sweep()
    call('allocator_trim', None, Trim.DEFERRED, 0, None)


T = TypeVar('T', bound='Held')


class Held:
    """An object with a reference that it can give back before it is itself gone."""

    __slots__ = ('_reference',)
    _reference: Reference | None
    #: The library's functions for one reference more and one less.
    _retain = _release = ''

    @classmethod
    def _of(cls: Type[T], reference: Reference) -> T:
        made = cls.__new__(cls)
        made._hold(reference)
        return made

    def _hold(self, reference: Reference) -> None:
        self._reference = reference

    def _ref(self) -> Reference:
        reference = self._reference
        if reference is None:
            raise ClosedError(f'this {type(self).__name__.lower()} was released')
        return reference

    @property
    def released(self) -> bool:
        """release() was called, or its `with` is over."""
        return self._reference is None

    def release(self) -> None:
        """Give this object's hold back, at once unless a call of another thread is using it. A second release does nothing."""
        reference = self._reference
        if reference is None:
            return
        sweep()
        # Another thread may be in a call with the same reference, so that one goes when it is no longer used; the call that does
        # what finalizers put off holds one of its own meanwhile, and is the last of them where nobody else is there.
        library, handle = _raw.library(), reference._as_parameter_
        getattr(library, self._retain)(handle)
        self._reference = None
        del reference
        getattr(library, self._release)(handle)

    def __copy__(self: T) -> T:
        """A second hold of the same thing, which is released by itself."""
        reference = self._ref()
        getattr(_raw.library(), self._retain)(reference)
        return self._of(Reference(ctypes.c_void_p(reference._as_parameter_.value)))

    def __enter__(self: T) -> T:
        self._ref()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()


class Closing:
    """What close() gives back by a call that may work or wait. One that is dropped is given back by the next call that may. What a forked
    child inherited is nothing there: its number may mean something of the child's own."""

    __slots__ = ('_end', '__weakref__')
    #: None: it is not ours to give back.
    _end: weakref.finalize[Any, Any] | None

    def _gives_back(self, name: str, *arguments: Any) -> None:
        self._end = weakref.finalize(self, _dropped.append, (os.getpid(), name, *arguments))
        self._end.atexit = False

    @property
    def closed(self) -> bool:
        """close() was called, or its `with` is over."""
        return self._end is not None and not self._end.alive

    def close(self) -> None:
        """Give it back now, and hear whether that was possible. A second close does nothing."""
        found = self._end.detach() if self._end is not None else None
        if found is None:
            return
        pid, name, *arguments = found[2][0]
        if pid != os.getpid():
            return
        try:
            call(name, *arguments)
        except BusyError:
            self._gives_back(name, *arguments)
            raise

    def __enter__(self: C) -> C:
        if self.closed:
            raise ClosedError(f'this {type(self).__name__.lower()} was closed')
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


C = TypeVar('C', bound=Closing)

#: How to give back what was dropped without close(): whose it is, a function and its arguments.
_dropped: collections.deque[tuple[Any, ...]] = collections.deque()


def _give_dropped_back() -> bool:
    found = False
    if _dropped:
        call('allocator_trim', None, Trim.DEFERRED, 0, None)  # storages before the streams that they were made for
    for _ in range(len(_dropped)):
        try:
            pid, name, *arguments = _dropped.popleft()
        except IndexError:  # another thread does the same
            break
        if pid != os.getpid():
            continue
        try:
            call(name, *arguments)
            found = True
        except BusyError:  # an observer that hears something right now
            _dropped.append((pid, name, *arguments))
        except ShmallocError:
            found = True
    return found


_sweepers.append(_give_dropped_back)


def pinned(reference: Reference, write: bool | None) -> memoryview:
    """A view over the bytes that holds a pin until it and everything made from it is gone. None: writable if the memory is."""
    if write is None:
        try:
            return pinned(reference, True)
        except PermissionDeniedError:
            write = False
    access = Access.WRITE if write else Access.READ
    data, size = ctypes.c_void_p(), ctypes.c_size_t()
    call('storage_pin', reference, access, ctypes.byref(data), ctypes.byref(size))
    try:
        if size.value and not data.value:
            raise UnsupportedError('the host can not touch the memory of this device; copy it to a storage of the host')
        array = (ctypes.c_uint8 * size.value).from_address(data.value or 0)
        # At exit a pin stays: what still holds the view may read it until the very end, and the process takes the memory with it.
        weakref.finalize(array, _raw.library().shmalloc_storage_unpin, reference._as_parameter_, access).atexit = False
    except BaseException:
        _raw.library().shmalloc_storage_unpin(reference, access)
        raise
    view = memoryview(array).cast('B')
    return view if write else view.toreadonly()


_kept: dict[int, Any] = {}
_tokens = itertools.count(1)


def keep(thing: Any) -> int:
    """A number to pass as userdata: `thing` lives until `drop` is called with it."""
    token = next(_tokens)
    _kept[token] = thing
    return token


@contextlib.contextmanager
def keeping(thing: Any) -> Iterator[int]:
    """The same for a call that is given `drop`, and calls that when it fails, too. Where ctypes refuses an argument there is no call."""
    token = keep(thing)
    try:
        yield token
    except ctypes.ArgumentError:
        _drop(token)
        raise


def kept(token: int) -> Any:
    """What was kept under a number."""
    return _kept[token]


def taken(token: int) -> Any:
    """The same, which is kept no longer; None if it is not."""
    return _kept.pop(token, None)


def _drop(token: int) -> None:
    thing = _kept.pop(token, None)
    if isinstance(thing, Buffer):
        thing.release()


#: The destroy_fn of everything that was kept.
drop = _raw.destroy_fn(_drop)


def _raise(error: BaseException) -> None:
    raise error


#: Tell an exception that can go no further, by sys.unraisablehook, as ctypes does for functions without an answer.
report = ctypes.PYFUNCTYPE(None, ctypes.py_object)(_raise)


class Buffer(ctypes.Structure):
    """Py_buffer: how to get at the address of a read-only object's bytes too."""

    _fields_ = [('buf', ctypes.c_void_p), ('obj', ctypes.c_void_p), ('len', ctypes.c_ssize_t), ('itemsize', ctypes.c_ssize_t),
                ('readonly', ctypes.c_int), ('ndim', ctypes.c_int), ('format', ctypes.c_char_p), ('shape', ctypes.c_void_p),
                ('strides', ctypes.c_void_p), ('suboffsets', ctypes.c_void_p), ('internal', ctypes.c_void_p)]

    @classmethod
    def of(cls, exporter: Any, write: bool) -> Buffer:
        """The bytes of `exporter`, held until release(). BufferError: not in one piece, or read-only when `write`."""
        buffer = cls()
        _get_buffer(exporter, ctypes.byref(buffer), 1 if write else 0)  # PyBUF_WRITABLE, PyBUF_SIMPLE; raises by itself
        return buffer

    def release(self) -> None:
        """Give the bytes back to their object."""
        _release_buffer(ctypes.byref(self))


_get_buffer = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Buffer), ctypes.c_int)(
    ('PyObject_GetBuffer', ctypes.pythonapi))
_release_buffer = ctypes.PYFUNCTYPE(None, ctypes.POINTER(Buffer))(('PyBuffer_Release', ctypes.pythonapi))


#: Storages that Python has, by their id().
storages: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
#: Observers that were not closed, and devices whose threads have been given functions of Python's, by their number.
observers: weakref.WeakSet[Closing] = weakref.WeakSet()
called: set[int] = set()
#: The interpreter ends.
ending = False


def _end_callbacks() -> None:
    """No thread of a device's calls Python any more, and no allocator does."""
    global ending
    ending = True
    for device in list(called):
        try:
            call('device_synchronize', device)
        except ShmallocError:  # a stream is captured; or this is a forked child, which has none of the parent's devices
            pass
    for observer in list(observers):
        try:
            observer.close()
        except ShmallocError:
            pass


def _at_exit() -> None:
    """Names shall not outlive the process. Threads may still be inside the library: they keep what they use, and find everything
    else released."""
    if _raw._loaded is None:
        return
    _end_callbacks()
    for reference in storages.valuerefs():
        storage = reference()
        if storage is not None:
            storage._reference = None
    try:
        call('set_log', _raw.log_fn(), 0, None, _raw.destroy_fn())
    except BusyError:
        pass
    run_deferred()


# Not by atexit: once weakref's own handler there has run, no finalizer works any more.
weakref.finalize(Reference, _at_exit)
