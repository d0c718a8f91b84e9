"""The order of work on a device: streams and events."""
from __future__ import annotations

import ctypes
import os
from typing import Callable

from . import _lifetime, _raw
from ._errors import BackendError, ClosedError, InvalidError, ShmallocError, call, sweep
from ._lifetime import Closing, keep, taken
from .device import DEFAULT, Device


class _Numbered(Closing):
    """What a device knows by a number."""

    __slots__ = ('_device', '_number', '_pid')
    _device: Device
    _number: int
    #: Of the process that made it; None: somebody else did.
    _pid: int | None
    #: The library's functions that make one and give it back.
    _create = _destroy = ''

    def __init__(self, device: Device) -> None:
        sweep()
        number = ctypes.c_uint64()
        call(self._create, device.number, ctypes.byref(number))
        self._device, self._number, self._pid = device, number.value, os.getpid()
        self._gives_back(self._destroy, device.number, number.value)

    @property
    def device(self) -> Device:
        """Whose it is."""
        return self._device

    @property
    def number(self) -> int:
        """What the device calls it, for calls of its own API: a GPU's stream is a CUstream. It stays this object's."""
        if self.closed:
            raise ClosedError(f'this {type(self).__name__.lower()} was closed')
        if self._pid not in (None, os.getpid()):
            raise BackendError(f'this {type(self).__name__.lower()} is the parent\'s; a forked child has none of its devices')
        return self._number

    def __repr__(self) -> str:
        return f'<shmalloc.{type(self).__name__} {"closed" if self.closed else self._number} of {self._device}>'


class Stream(_Numbered):
    """A queue of work on a device, which does it in this order. What different streams do has no order but by events.

        with Stream(device) as upload, Stream(device) as work:
            there.copy(here, stream=upload, non_blocking=True)
            work.wait(upload.record())                      # what comes on `work` from here on comes after the copy

    close(), the end of its `with` and the garbage collector give it back; what is queued is done all the same. Storages that were made for
    it should go first: what allocators keep for a stream that is gone serves nobody until they are trimmed. Any thread may use it."""

    __slots__ = ()
    _create, _destroy = 'stream_create', 'stream_destroy'

    @classmethod
    def foreign(cls, device: Device, number: int) -> Stream:
        """One that somebody else made and gives back, by its number: of a GPU a CUstream. It must be there as long as it is used here, or by
        a storage that was made for it or told of it; drivers do not check that."""
        if not 0 <= number < 1 << 64:
            raise InvalidError(f'{number} is no number of a stream')
        made = cls.__new__(cls)
        made._device, made._number, made._pid, made._end = device, number, None, None
        return made

    @classmethod
    def default_of(cls, device: Device) -> Stream:
        """The one that a device has anyway, and that is meant where none is named."""
        return cls.foreign(device, DEFAULT)

    def synchronize(self) -> None:
        """Wait until all is done that was queued on it. BusyError: it is being captured."""
        call('stream_synchronize', self._device.number, self.number)

    def wait(self, event: Event) -> None:
        """What comes on it from here on comes after an event, as that was recorded last. The caller goes on."""
        call('stream_wait', self._device.number, event.device._number_of(self), event.number)

    def record(self) -> Event:
        """A new event, behind all that is queued on this stream so far."""
        event = Event(self._device)
        event.record(self)
        return event

    def call(self, function: Callable[[], object]) -> None:
        """Queue a function. It runs once, on a thread of the device's, and an exception in it goes to sys.unraisablehook. UnsupportedError:
        the device can't. BusyError: the stream is being captured.

        It must not use the device or wait for it, nor for a thread that does, nor give back storages: drop them. It needs the GIL, so who
        waits for the device must have let that go, as all calls here do: an extension that waits with it waits for ever. At exit the device
        is waited for, and nothing can be queued any more."""
        if _lifetime.ending:
            raise ClosedError('the interpreter ends, and calls no more functions')
        number = self.number
        _lifetime.called.add(self._device.number)
        token = keep(function)
        try:
            call('stream_call', self._device.number, number, _work, token)
        except ShmallocError:
            taken(token)
            raise


def _run(token: int) -> None:
    function = taken(token)
    if function is not None:
        function()


_work = _raw.work_fn(_run)


class Event(_Numbered):
    """A mark in streams: done when all is done that was queued before it; done, too, until it is recorded. It may go while somebody waits
    for it: waits keep their meaning. Any thread may use it."""

    __slots__ = ()
    _create, _destroy = 'event_create', 'event_destroy'

    def record(self, stream: Stream | None = None) -> None:
        """From now on it means what is queued on the stream so far, and nothing that it meant before. None: the default stream."""
        call('event_record', self._device.number, self.number, self._device._number_of(stream))

    @property
    def done(self) -> bool:
        """Whether what it means is done."""
        answer = ctypes.c_int32()
        call('event_query', self._device.number, self.number, ctypes.byref(answer))
        return bool(answer.value)

    def synchronize(self) -> None:
        """Wait until what it means is done."""
        call('event_synchronize', self._device.number, self.number)
