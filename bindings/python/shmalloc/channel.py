"""Queues of storages between processes."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Iterator

from . import _raw
from ._enums import ChannelState
from ._errors import ClosedError, call
from ._lifetime import Held, Reference, created
from .ipc import nanoseconds
from .storage import Storage


@dataclass(frozen=True)
class ChannelInfo:
    """A channel, described; see shmalloc_channel_info."""

    capacity: int
    length: int
    sent: int
    received: int
    skipped: int
    record_size: int
    attached: int
    state: ChannelState


class Channel(Held):
    """A bounded queue of storages, each with some bytes beside it, for any number of senders and receivers in up to 64 processes.

        with shmalloc.Channel() as channel:
            start_a_process(channel.storage().export())     # there: shmalloc.Channel.open(shmalloc.Storage.import_(handle))
            channel.send(storage, b'what it is')
            storage, record = channel.receive()

    Any thread may use it, several at once. release() leaves it: what was sent can still be received while this process lives. It
    goes to other processes by pickle, too: through multiprocessing, as an argument or in a queue."""

    __slots__ = ('_room', '__weakref__')
    _retain, _release = 'shmalloc_channel_retain', 'shmalloc_channel_release'

    def __init__(self, capacity: int = 0, record_size: int | None = None) -> None:
        """Make a channel for so many storages (0: 256), with records of so many bytes at most (None: 32)."""
        params = _raw.make(_raw.ChannelParams)
        if not 0 <= capacity < 1 << 64 or not 0 <= (record_size or 0) < 1 << 32:
            raise OverflowError('capacity and record_size are small numbers')
        params.capacity, params.record_size = capacity, record_size or 0
        params.flags = _raw.CONSTANTS['SHMALLOC_CHANNEL_NO_RECORD'] if record_size == 0 else 0
        self._hold(created('channel_create', ctypes.byref(params)))

    @classmethod
    def open(cls, storage: Storage) -> Channel:
        """The channel that lives in a storage, which may be released then."""
        return cls._of(created('channel_open', storage._ref()))

    def _hold(self, reference: Reference) -> None:
        super()._hold(reference)
        self._room = self.info.record_size

    def close(self) -> None:
        """Close it for everybody: nothing can be sent any more, what is in it can still be received."""
        call('channel_close', self._ref())

    # ---- asking ----

    def storage(self) -> Storage:
        """The storage that it lives in: to be exported or sent, so that others can open the channel."""
        return Storage._of(created('channel_storage', self._ref()))

    @property
    def info(self) -> ChannelInfo:
        """All that is known of it."""
        info = _raw.make(_raw.ChannelInfo)
        call('channel_get_info', self._ref(), ctypes.byref(info))
        return ChannelInfo(info.capacity, info.length, info.sent, info.received, info.skipped, info.record_size, info.attached,
                           ChannelState(info.state))

    # ---- the queue ----

    def send(self, storage: Storage | None, record: bytes = b'', *, timeout: float | None = None) -> None:
        """Send a storage of an allocator of kind SHARED, or with None the record alone. It is held for the receiver: release it
        when you like. `timeout`: seconds to wait while the channel is full; None: as long as it takes, 0: not at all."""
        room = (ctypes.c_uint8 * len(record)).from_buffer_copy(record) if record else None
        call('channel_send', self._ref(), storage._ref() if storage is not None else None, room, len(record),
             nanoseconds(timeout))

    def receive(self, timeout: float | None = None) -> tuple[Storage | None, bytes]:
        """The next storage, or None if there is none with the record, and the record. `timeout`: seconds to wait while the channel is
        empty; None: as long as it takes, 0: not at all (WaitTimeoutError)."""
        handle, length = ctypes.c_void_p(), ctypes.c_size_t(self._room)
        room = (ctypes.c_uint8 * self._room)()
        call('channel_receive', self._ref(), ctypes.byref(handle), room, ctypes.byref(length), nanoseconds(timeout))
        return Storage._of(Reference(handle)) if handle else None, bytes(room[:length.value])

    def __iter__(self) -> Iterator[tuple[Storage | None, bytes]]:
        """What comes, until the channel is closed and empty."""
        while True:
            try:
                received = self.receive()
            except ClosedError:
                return
            yield received

    def __reduce__(self) -> tuple[Any, ...]:
        return Channel.open, (self.storage(),)

    def __repr__(self) -> str:
        if self._reference is None:
            return '<shmalloc.Channel, released>'
        info = self.info
        words: list[Any] = [str(state.name).lower() for state in ChannelState if state in info.state]
        return f'<shmalloc.Channel {info.length}/{info.capacity} {" ".join(words)}>'
