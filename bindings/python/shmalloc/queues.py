"""multiprocessing's queue, over a channel."""
from __future__ import annotations

import math
import os
import queue
import threading
import time
import weakref
from multiprocessing import util
from typing import Any, Iterator

from . import _frames
from ._enums import Kind
from ._errors import ClosedError, PermissionDeniedError, UnsupportedError, WaitTimeoutError
from .allocator import Allocator
from .channel import Channel
from .storage import Storage

#: Seconds that a process waits at its end until what it has put is got.
LINGER = 10.0


class Queue:
    """A bounded queue of objects between processes, used as multiprocessing.Queue is:

        queue = shmalloc.Queue()
        multiprocessing.Process(target=work, args=(queue,)).start()
        queue.put(numpy.zeros((1000, 1000)))
        ...
        array = queue.get()

    put() writes the bytes of arrays once into a storage, in the caller's own thread; get() gives arrays over that same memory, which
    goes back when the last of them is gone. Anything else is pickled. A Storage that lies in a segment is handed over as it is, without
    a copy: both sides have it then. Objects are unpickled in get(): let only those put something in whom you trust.

    The memory is the putting process's: what it put and nobody got is lost when it dies, and skipped. A process that ends in order
    waits for up to ten seconds at its end until all of it is got, or nobody else has the queue. Any thread may use it."""

    def __init__(self, maxsize: int = 0, *, record_size: int = 256, allocator: Allocator | None = None) -> None:
        """For at least `maxsize` objects (0: 256; rounded up to a power of two). Objects whose pickle is shorter than `record_size` need
        no storage; others come out of `allocator`, one of kind SHARED, here; elsewhere out of the current one if it is of that kind."""
        self._open(Channel(maxsize, record_size), allocator)

    def _open(self, channel: Channel, allocator: Allocator | None) -> None:
        self.channel = channel
        self._allocator = allocator
        self._room = channel.info.record_size
        self._lock = threading.Lock()
        self._hold = _Hold(channel)
        weakref.finalize(self, _forget, self._hold).atexit = False

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.channel,)

    # ---- the queue ----

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an object in; queue.Full: there was no room for `timeout` seconds, or none at once without `block`. ClosedError, a
        ValueError: it is closed. PeerGoneError: others had it open, and nobody has any more."""
        wait = timeout if block else 0
        if isinstance(obj, Storage):
            try:
                return self._send(obj, _frames.WHOLE, wait)
            except (UnsupportedError, PermissionDeniedError):
                pass  # it lies in no segment: its handle goes
        storage, record = _frames.pack(obj, self._room, self._storages)
        try:
            self._send(storage, record, wait)
        finally:
            if storage is not None:
                storage.release()

    def _send(self, storage: Storage | None, record: bytes, timeout: float | None) -> None:
        try:
            self.channel.send(storage, record, timeout=timeout)
        except WaitTimeoutError:
            raise queue.Full from None
        if storage is not None:
            self._hold.sent()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next object; queue.Empty: none came for `timeout` seconds, or there is none without `block`. ClosedError: it is closed, and
        empty. PeerGoneError: it is empty, others had it open, and nobody has any more."""
        try:
            storage, record = self.channel.receive(timeout if block else 0)
        except WaitTimeoutError:
            raise queue.Empty from None
        return _frames.unpack(storage, record)

    def put_nowait(self, obj: Any) -> None:
        """Put it in if there is room now."""
        self.put(obj, block=False)

    def get_nowait(self) -> Any:
        """The next object if there is one now."""
        return self.get(block=False)

    def __iter__(self) -> Iterator[Any]:
        """What comes, until the queue is closed and empty."""
        while True:
            try:
                thing = self.get()
            except ClosedError:
                return
            yield thing
            del thing  # or its memory would wait for the next one

    # ---- asking ----

    def qsize(self) -> int:
        """Objects in it right now."""
        return self.channel.info.length

    def empty(self) -> bool:
        """There is none."""
        return not self.qsize()

    def full(self) -> bool:
        """There is no room."""
        info = self.channel.info
        return info.length >= info.capacity

    # ---- the end ----

    def close(self) -> None:
        """Close it for everybody: nothing can be put in any more, what is in it can still be got."""
        self.channel.close()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until all that this process has put in is got, or nobody else has the queue. False: not in `timeout` seconds."""
        return self._hold.wait(timeout)

    def release(self) -> None:
        """Leave it: wait as a process does at its end, then give the channel back."""
        if not self.channel.released:
            self._hold.wait(LINGER)
            self.channel.release()

    def __enter__(self) -> Queue:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def _storages(self) -> Allocator:
        """Where storages for frames come from: of kind SHARED, as channels need it."""
        with self._lock:
            if self._allocator is None:
                current = Allocator.current()
                self._allocator = current if current.info.kind == Kind.SHARED else Allocator(Kind.SHARED)
            return self._allocator

    def __repr__(self) -> str:
        return f'<shmalloc.Queue over {self.channel!r}>'


class _Hold:
    """A channel as one process has it, and how far the others must have come until they have all that this process sent."""

    def __init__(self, channel: Channel) -> None:
        self.channel, self._until = channel, 0
        self.begin()
        util.register_after_fork(self, _Hold.begin)

    def begin(self) -> None:
        """In this process: it has sent nothing yet."""
        self._until = 0
        _holds.add(self)
        _watch()

    def sent(self) -> None:
        """A storage went."""
        self._until = self.channel.info.sent
        for hold in list(_owing):
            _forget(hold)
        _owing.add(self)

    def done(self) -> bool:
        """All of it is got, or nobody is there who could."""
        if self.channel.released:
            return True
        info = self.channel.info
        return info.received + info.skipped >= self._until or info.attached <= 1

    def wait(self, timeout: float | None) -> bool:
        """Wait until it is done."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        pause = 0.0001
        while not self.done():
            if time.monotonic() > end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.005)
        return True


#: The holds of this process, and those of them that others may still have to get something from, whose queues may be gone.
_holds: weakref.WeakSet[_Hold] = weakref.WeakSet()
_owing: set[_Hold] = set()
_watched = 0


def _forget(hold: _Hold) -> None:
    """Nobody needs it for what was sent, if that is so."""
    if hold.done():
        _owing.discard(hold)


def _watch() -> None:
    """Once in each process; forked ones inherit no handlers."""
    global _watched
    if _watched != os.getpid():
        _watched = os.getpid()
        _owing.clear()
        # After the children of this process have ended: -5 is what multiprocessing has for its own queues.
        util.Finalize(None, _leave, exitpriority=-5)


def _leave() -> None:
    """The process ends: first the others get what is theirs, then they see it gone."""
    end = time.monotonic() + LINGER
    for hold in list(_owing):
        hold.wait(end - time.monotonic())
    for hold in list(_holds):
        hold.channel.release()


def _opened(channel: Channel) -> Queue:
    made = Queue.__new__(Queue)
    made._open(channel, None)
    return made
