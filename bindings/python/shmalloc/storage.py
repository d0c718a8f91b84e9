"""Some bytes with an owner."""
from __future__ import annotations

import ctypes
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable

from . import _raw, ipc
from ._enums import Access, Format, Kind, Mapped, State, known
from ._errors import NotFoundError, PermissionDeniedError, UnsupportedError, call, encoded, sweep, text
from ._lifetime import Buffer, Held, Reference, created, drop, keeping, pinned, storages
from .allocator import Allocator
from .device import DEFAULT, HOST, Device, whole
from .stream import Stream
from .tensor import Tensor, copied, dlpack_device, exported

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class StorageInfo:
    """A storage, described; see shmalloc_storage_info."""

    address: int
    device: Device
    size: int
    capacity: int
    id: int
    generation: int
    allocator_id: int
    references: int
    pins: int
    kind: Kind | int
    state: State
    mapped: Mapped
    fd: int


class Storage(Held):
    """Bytes that other processes can open. Views of them (`view`) hold the memory by themselves, whatever becomes of this object.

        with shmalloc.Storage(1 << 20) as storage:
            storage.view()[:5] = b'hello'
            send(storage.export())                  # and elsewhere: shmalloc.Storage.import_(handle)

    Any thread may use it, several at once."""

    __slots__ = ('__weakref__', '_streams')
    #: That use its memory, as far as this object was told.
    _streams: tuple[Stream, ...]
    _retain, _release = 'shmalloc_storage_retain', 'shmalloc_storage_release'

    def __init__(self, size: int, *, allocator: Allocator | None = None, name: str | os.PathLike[str] | None = None,
                 mapped: Mapped | int = 0, fd: int | None = None, alignment: int = 0, capacity: int = 0, file_offset: int = 0,
                 page_size: int = 0, zeroed: bool = False, isolated: bool = False, mode: int = 0,
                 numa_node: int | None = None, stream: Stream | None = None) -> None:
        """Make a storage, by default in a segment with others, and not zeroed. `isolated` gives it pages and a descriptor of its
        own, for receivers that must not see its neighbours or must not write; so does a `capacity` beyond the size. `mapped` says
        from what it is mapped, see shmalloc_mapped_flags; `fd` implies FROMFD. What asks for an object of its own so (`mapped`,
        `name`, `fd`, `file_offset`, `page_size`, `mode`) is of kind MAP, unless an allocator is given.

        With a `stream` it is memory of that one's device for work on it, unless an allocator says otherwise; on a device and without
        one, it is for the default stream."""
        params = _raw.make(_raw.StorageParams)
        params.name, params.alignment, params.capacity = encoded(name), alignment, capacity
        params.file_offset, params.page_size, params.mode = file_offset, page_size, mode
        params.flags = (_raw.CONSTANTS['SHMALLOC_STORAGE_ZEROED'] if zeroed else 0) | (
            _raw.CONSTANTS['SHMALLOC_STORAGE_ISOLATED'] if isolated else 0)
        params.mapped = mapped | (0 if fd is None else Mapped.FROMFD)
        params.fd = -1 if fd is None else fd
        if numa_node is not None:
            params.numa_node = -1 if numa_node < 0 else numa_node + 1
        if allocator is None and (name is not None or params.mapped or file_offset or page_size or mode):
            if Allocator.current().info.kind not in (Kind.MAP, Kind.MAP_REFCOUNTED):
                allocator = Allocator(Kind.MAP)
        if allocator is None and stream is not None and stream.device != HOST:
            allocator = Allocator.current(stream.device)
        device = HOST if allocator is None else allocator.device
        owner = allocator._ref() if allocator is not None else None
        self._hold(created('storage_create', owner, _size(size), device._number_of(stream), ctypes.byref(params)))
        if device != HOST:
            self._streams = (stream or Stream.default_of(device),)

    # ---- where else they come from ----

    def _hold(self, reference: Reference) -> None:
        super()._hold(reference)
        self._streams = ()
        storages[id(self)] = self

    def __copy__(self) -> Storage:
        made = super().__copy__()
        made._streams = self._streams
        return made

    @classmethod
    def adopt(cls, buffer: Any, *, read_only: bool = False) -> Storage:
        """A storage over the bytes of any object with the buffer protocol, without a copy. The object is held meanwhile, by the
        views of the storage too."""
        held = Buffer.of(buffer, not read_only)
        params = _raw.make(_raw.AdoptParams)
        params.access = Access.READ if read_only else Access.WRITE
        with keeping(held) as token:
            return cls._of(created('storage_adopt', HOST.number, held.buf or 0, held.len, ctypes.byref(params), token, drop))

    @classmethod
    def adopt_on(cls, device: Device, address: int, size: int, *, owner: object = None, read_only: bool = False,
                 stream: Stream | None = None) -> Storage:
        """A storage over memory of a device that somebody else made, for work on a stream. `owner` is held as long as it is used; nothing
        else is checked."""
        params = _raw.make(_raw.AdoptParams)
        params.stream, params.access = device._number_of(stream), Access.READ if read_only else Access.WRITE
        first, length = whole(address), _size(size)
        with keeping(owner) as token:
            made = cls._of(created('storage_adopt', device.number, first, length, ctypes.byref(params), token, drop))
        if device != HOST:
            made._streams = (stream or Stream.default_of(device),)
        return made

    @classmethod
    def find(cls, address: int, device: Device = HOST) -> tuple[Storage, int]:
        """The storage that an address lies in, and how far into it."""
        handle, offset = ctypes.c_void_p(), ctypes.c_size_t()
        call('storage_find', device.number, whole(address), ctypes.byref(handle), ctypes.byref(offset))
        return cls._of(Reference(handle)), offset.value

    @classmethod
    def import_(cls, handle: bytes, fds: Iterable[int] = (), *, format: Format = Format.NATIVE, read_only: bool = False,
                counted: bool = False) -> Storage:
        """Open a handle. `fds` are descriptors that came with it; they stay yours."""
        return cls._of(ipc.open_handle(handle, fds, format, read_only, counted))

    @classmethod
    def from_text(cls, text: str, **options: Any) -> Storage:
        """Open a handle's text form; options as of import_."""
        return cls.import_(ipc.handle_from_text(text), **options)

    @classmethod
    def receive(cls, sock: socket.socket, **options: Any) -> Storage:
        """The one storage of the next message; options as of receive(). NoSpaceError: there are more, and they wait."""
        return ipc.receive(sock, room=1, **options)[0]

    # ---- giving back ----

    def close(self) -> None:
        """Give memory, descriptor and name back now, whoever else holds the storage in this process. BusyError: a view lives."""
        if self._reference is not None:
            call('storage_close', self._reference)

    # ---- asking ----

    @property
    def size(self) -> int:
        """Bytes that may be used; 0 when it is closed."""
        return int(_raw.library().shmalloc_storage_size(self._ref()))

    @property
    def address(self) -> int:
        """Where its first byte is, in its device's space; of the host's memory, in this process. 0 when it is empty or closed."""
        return int(_raw.library().shmalloc_storage_address(self._ref()))

    @property
    def data(self) -> int | None:
        """The same for memory that the host can touch; None for any other, and when it is empty or closed."""
        data: int | None = _raw.library().shmalloc_storage_data(self._ref())
        return data

    @property
    def device(self) -> Device:
        """Where its memory is."""
        return Device.of(self._info().device)

    def _info(self) -> _raw.StorageInfo:
        info = _raw.make(_raw.StorageInfo)
        call('storage_get_info', self._ref(), ctypes.byref(info))
        return info

    @property
    def info(self) -> StorageInfo:
        """All that is known of it."""
        sweep()
        info = self._info()
        return StorageInfo(info.address, Device.of(info.device), info.size, info.capacity, info.id, info.generation, info.allocator_id,
                           info.references, info.pins, known(Kind, info.kind), State(info.state), Mapped(info.mapped), info.fd)

    @property
    def name(self) -> str | None:
        """Path of its file or name of its shm object, as long as it has one."""
        try:
            return text('storage_get_name', self._ref())
        except NotFoundError:
            return None

    @property
    def is_shared(self) -> bool:
        """Another process could open it."""
        return State.SHARED in self.info.state

    # ---- the bytes ----

    def view(self, write: bool | None = None) -> memoryview:
        """The bytes, without a copy. None: writable if the memory is. As long as the view or anything made from it (a slice, an
        array) lives, the bytes stay where they are; `with storage.view() as v:` ends it at a known point. UnsupportedError: the host can't
        touch the memory. On a device that it can touch, nobody waits here for what is queued there."""
        return pinned(self._ref(), write)

    def __buffer__(self, flags: int, /) -> memoryview:
        """For memoryview(storage), from Python 3.12 on."""
        try:
            return self.view(True if flags & 1 else None)
        except (PermissionDeniedError, UnsupportedError) as error:
            raise BufferError(str(error)) from None

    def array(self, dtype: Any, shape: int | Iterable[int] = (-1,), offset: int = 0) -> numpy.ndarray[Any, Any]:
        """A numpy array over the bytes from `offset` on, without a copy, which holds them as a view does. One length may be -1: as
        much as there is. Of read-only memory the array is not writable."""
        from ._arrays import over
        return over(self.view(), dtype, shape, offset)

    def tensor(self, dtype: Any, shape: Iterable[int], strides: Iterable[int] | None = None, offset: int = 0,
               read_only: bool = False) -> Tensor:
        """The bytes as an array for any library that speaks DLPack; see Tensor."""
        return Tensor(self, dtype, shape, strides, offset, read_only)

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        """All of it as a vector of bytes; see Tensor."""
        return exported(self, _raw.make(_raw.Tensor), stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's numbers of the device: (1, 0) where the host can touch the memory without a driver, (2, index) for CUDA."""
        return dlpack_device(self)

    def copy(self, source: Storage, size: int | None = None, *, offset: int = 0, source_offset: int = 0, stream: Stream | None = None,
             non_blocking: bool = False) -> None:
        """Copy bytes from another storage, from and to the host or a device. Without a size all that follow the offsets, and then both
        must be as long. `stream` is one of this storage's device, or of the source's if this one is the host's; None: its default
        one. `non_blocking` returns once the copy is queued, and both are held until it is done; between memories of the host it
        is done on return anyway, and for memory of the host that another process could cut short."""
        count = _raw.CONSTANTS['SHMALLOC_SIZE_ALL'] if size is None else _size(size)
        number = DEFAULT
        if stream is not None:
            device = self.device
            number = (source.device if device == HOST else device)._number_of(stream)
        flags = _raw.CONSTANTS['SHMALLOC_COPY_NON_BLOCKING'] if non_blocking else 0
        call('storage_copy', self._ref(), _size(offset), source._ref(), _size(source_offset), count, number, flags)

    def record_stream(self, stream: Stream) -> None:
        """Another stream uses this storage: what is queued there when the memory goes back is done before anybody else has it. On the
        host this does nothing."""
        device = self.device
        call('storage_record_stream', self._ref(), device._number_of(stream))
        if device != HOST and all(stream.number != known.number for known in self._streams if not known.closed):
            self._streams += (stream,)

    # ---- change ----

    def share(self, to: Allocator | None = None, *, stream: Stream | None = None) -> None:
        """Make a private storage shareable, and keep this object: its bytes move, on a device by a copy on the stream. BusyError: a view
        of it lives."""
        number = DEFAULT if stream is None else self.device._number_of(stream)
        call('storage_share', self._ref(), to._ref() if to is not None else None, number)

    def grow(self, size: int, *, stream: Stream | None = None) -> None:
        """Make it longer, at the same address, up to info.capacity; 0: to whatever another process made it. Views made before
        keep their length. On a device the stream clears the new bytes."""
        number = DEFAULT if stream is None else self.device._number_of(stream)
        call('storage_grow', self._ref(), _size(size), number)

    def seal(self) -> None:
        """From here on nobody writes it; for storages with pages of their own (`isolated`). BusyError: a writable view of it lives,
        or another process maps it writable."""
        call('storage_seal', self._ref())

    # ---- to other processes ----

    def export(self, *, format: Format = Format.NATIVE, read_only: bool = False, descriptor: bool = False, counted: bool = False,
               ttl: float | None = None) -> bytes:
        """Bytes from which other processes of this machine open it, by import_. `ttl`: seconds that they stay good after the
        release here; None: the allocator's, 0: not at all, math.inf: as long as this process lives. `read_only` needs pages of
        its own: `isolated`, or an allocator of kind MAP, without a name."""
        return ipc.export_handle(self._ref(), ipc.export_params(format, read_only, descriptor, counted, ttl))

    def export_text(self, **options: Any) -> str:
        """The same as text, for JSON, a command line or an environment variable."""
        return ipc.handle_to_text(self.export(**options))

    def export_fds(self, *, format: Format = Format.NATIVE, read_only: bool = False) -> list[int]:
        """Its descriptors, for those who bring them to the receiver themselves. They are yours to close. A storage in a segment
        has two, which lead to all that lies in the segment."""
        return ipc.export_descriptors(self._ref(), ipc.export_params(format, read_only, False, False, None))

    def revoke(self) -> None:
        """Make every bytes-only handle that was given out void. Those who have it open keep it."""
        call('storage_revoke', self._ref())

    def send(self, sock: socket.socket, **options: Any) -> None:
        """Send it over a unix socket; options as of send()."""
        ipc.send(sock, [self], **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles carry the handle and not the bytes: whoever unpickles one has the same memory. They are good as long as handles are:
        while this process holds the storage, and for the allocator's export_ttl_ms after that."""
        return _imported, (self.export(read_only=self._only_read()),)

    def _only_read(self) -> bool:
        """No export of it can be writable."""
        return bool(self.info.state & (State.READ_ONLY | State.WRITE_SEALED | State.IMMUTABLE))

    def __deepcopy__(self, _memo: Any) -> Storage:
        return copied(self)

    def __repr__(self) -> str:
        if self._reference is None:
            return '<shmalloc.Storage, released>'
        info = self.info
        words = [str(state.name).lower() for state in State if state in info.state]
        if info.device != HOST:
            words.append(f'on {info.device}')
        return f'<shmalloc.Storage {info.id} of {info.size} bytes {" ".join(words)}>'


def _imported(handle: bytes) -> Storage:
    return Storage.import_(handle)


def _size(value: int) -> int:
    """ctypes would cut what does not fit."""
    if not 0 <= value < _raw.CONSTANTS['SHMALLOC_SIZE_ALL']:
        raise OverflowError(f'{value} is no size')
    return value
