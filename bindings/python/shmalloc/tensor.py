"""The bytes of a storage as an array, for every library that speaks DLPack."""
from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Iterable, Union

from . import _capsule, _raw
from ._dtypes import Code, code_of, dtype_of
from ._enums import DeviceType, TensorState
from ._errors import InvalidError, PermissionDeniedError
from .device import DEFAULT, HOST, Device
from .stream import Stream

if TYPE_CHECKING:
    from .storage import Storage

#: DLPack's number of the host, and its index.
HOST_DEVICE = (1, 0)
#: DLPack's numbers of what is not the host to it: of memory that others have to reach by a driver.
_TYPES: dict[int, int] = {DeviceType.CUDA: 2, DeviceType.CUSTOM: 12}


class ReadOnlyError(PermissionDeniedError, BufferError):
    """The consumer asked for a tensor without a version, and those can't say that they are read-only."""


class Tensor:
    """How the bytes of a storage are seen as an array: numpy.from_dlpack(tensor), torch.from_dlpack(tensor) and their like see them
    so, without a copy. `strides` count elements; None: the last index is the fastest and nothing lies between. It keeps the
    storage, but holds no pin; what is made from it does."""

    __slots__ = ('storage', 'shape', 'strides', 'offset', 'read_only', 'padded', '_code')
    storage: Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None
    offset: int
    read_only: bool
    padded: bool
    _code: Code

    def __init__(self, storage: Storage, dtype: Any, shape: Iterable[int], strides: Iterable[int] | None = None, offset: int = 0,
                 read_only: bool = False, *, padded: bool = False) -> None:
        """`dtype` is numpy's, torch's, a name ("float32"), or DLPack's numbers (code, bits, lanes). `padded`: elements of less than a
        byte take one each."""
        self.storage, self._code = storage.__copy__(), code_of(dtype)
        self.shape = tuple(shape)
        self.strides = None if strides is None else tuple(strides)
        self.offset, self.read_only, self.padded = offset, read_only, padded
        if self.strides is not None and len(self.strides) != len(self.shape):
            raise InvalidError(f'{len(self.strides)} strides for {len(self.shape)} dimensions')
        _capsule.check(self.storage._ref(), self._raw())

    @property
    def dtype(self) -> Union[str, Code]:
        """Name of the element type; DLPack's numbers (code, bits, lanes) where it has none."""
        return dtype_of(self._code)

    @property
    def nbytes(self) -> int:
        """Bytes of all its elements."""
        _, bits, lanes = self._code
        bits *= lanes
        return math.prod(self.shape) * (bits + 7 & ~7 if self.padded else bits) // 8

    def _raw(self) -> _raw.Tensor:
        raw = _raw.make(_raw.Tensor)
        for number in (*self.shape, *(self.strides or ())):
            if not -1 << 63 <= number < 1 << 63:
                raise OverflowError(f'{number} is no length and no stride')
        if not 0 <= self.offset < 1 << 63:
            raise OverflowError(f'{self.offset} is no offset')
        raw.ndim, raw.offset = len(self.shape), self.offset
        raw.code, raw.bits, raw.lanes = self._code
        raw.shape = (ctypes.c_int64 * raw.ndim)(*self.shape)
        if self.strides is not None:
            raw.strides = (ctypes.c_int64 * raw.ndim)(*self.strides)
        raw.flags = TensorState.READ_ONLY * self.read_only | TensorState.PADDED * self.padded
        return raw

    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        """A capsule for one consumer; numpy.from_dlpack and its like call this. Without a max_version of at least (1, 0) it has
        no version, and what is read-only raises ReadOnlyError, a BufferError.

        The consumer may use it at once: what is queued on the storage's streams comes first, on those that it was made for and that
        record_stream() told this object of. On CUDA it comes before what the consumer queues on its `stream`, as DLPack numbers them: None or
        1 the legacy default stream, 2 the thread's, -1 nothing is awaited, else a CUstream. Elsewhere it is waited for here."""
        return exported(self.storage, self._raw(), stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """As of the storage."""
        return dlpack_device(self.storage)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.storage, self._code, self.shape, self.strides, self.offset, self.read_only, self.padded)

    def __repr__(self) -> str:
        return f'<shmalloc.Tensor {self.dtype} {self.shape} at {self.offset} of {self.storage!r}>'


def _remade(storage: Storage, code: Code, shape: tuple[int, ...], strides: tuple[int, ...] | None, offset: int, read_only: bool,
            padded: bool) -> Tensor:
    return Tensor(storage, code, shape, strides, offset, read_only, padded=padded)


def dlpack_device(storage: Storage) -> tuple[int, int]:
    """DLPack's numbers of a storage's device. To it HOST_STREAMS is the host: the memory is."""
    device = storage.device
    return (_TYPES[device.type], device.index) if device.type in _TYPES else HOST_DEVICE


def exported(storage: Storage, raw: _raw.Tensor, stream: Any, max_version: tuple[int, int] | None, dl_device: tuple[int, int] | None,
             copy: bool | None) -> Any:
    """__dlpack__ of tensors and storages."""
    where = dlpack_device(storage)
    wanted = where if dl_device is None else tuple(dl_device)
    if where == HOST_DEVICE and stream is not None:
        raise InvalidError('the memory of the host has no streams; stream must be None')
    if wanted != where and (wanted != HOST_DEVICE or copy is False):
        raise BufferError(f'the memory is on {where}, DLPack\'s number of {storage.device}; it was asked for on {wanted}')
    versioned = max_version is not None and max_version[0] >= 1
    made = copied(storage, to_host=wanted != where) if copy or wanted != where else storage
    if made is storage:
        _ready(storage, stream)
    try:
        return _capsule.export(made._ref(), raw, versioned, made is not storage)
    except PermissionDeniedError as error:
        raise ReadOnlyError(str(error), error.os_error, error.backend_error) from None


def _ready(storage: Storage, stream: Any) -> None:
    """What is queued on a storage's streams comes before what its consumer does; `stream` is as of __dlpack__."""
    device = storage.device
    if device.type != DeviceType.CUDA:
        for known in storage._streams:
            _waited(known)
    elif stream != -1:
        consumer = Stream.foreign(device, _cuda_stream(stream))
        for known in storage._streams:
            _behind(known, consumer)


def _cuda_stream(stream: Any) -> int:
    """A CUstream; None and 1 both are the legacy default stream."""
    if stream is not None and (not isinstance(stream, int) or stream <= 0):
        raise InvalidError(f'stream {stream!r} means nothing for CUDA: 0 could be either default stream, which are 1 and 2')
    return DEFAULT if stream in (None, 1) else int(stream)


def _waited(stream: Stream) -> None:
    if stream.closed:  # what was queued there is done all the same, but maybe not yet
        stream.device.synchronize()
    else:
        stream.synchronize()


def _behind(first: Stream, second: Stream) -> None:
    """What comes on the second stream from here on comes after what is queued on the first."""
    if first.closed:
        first.device.synchronize()
    elif first.number != second.number:
        with first.record() as event:
            second.wait(event)


def copied(storage: Storage, to_host: bool = False) -> Storage:
    """A new storage with the same bytes, of the default allocator of the device or the host."""
    from .storage import Storage
    device = storage.device
    if device == HOST:
        made = Storage(storage.size)
        made.copy(storage)
        return made
    streams = [stream for stream in storage._streams if not stream.closed]
    stream = streams[0] if streams else Stream.default_of(device)
    for other in storage._streams:
        _behind(other, stream)
    made = Storage(storage.size, stream=None if to_host else stream)
    made.copy(storage, stream=stream)
    return made


def from_dlpack(source: Any, *, stream: Stream | None = None) -> Tensor:
    """A tensor over somebody's array, without a copy: anything that has __dlpack__, or a capsule. Its storage is private to this process,
    until share() moves it. The array is held until the last hold of the storage is gone. Of memory on a GPU `stream` is where it will be
    used, and its maker has been told to let that wait for what is queued; None: the default stream."""
    capsule = source
    if hasattr(source, '__dlpack__'):
        options = {}
        kind, index = source.__dlpack_device__() if hasattr(source, '__dlpack_device__') else HOST_DEVICE
        if kind == _TYPES[DeviceType.CUDA]:
            options['stream'] = Device.cuda(index)._number_of(stream) or 1
        try:
            capsule = source.__dlpack__(max_version=(1, 0), **options)
        except TypeError:  # from before there were versions
            capsule = source.__dlpack__(**options)
    from .storage import Storage
    reference, raw = _capsule.take(capsule)
    storage = Storage._of(reference)
    if storage.device != HOST:
        storage._streams = (stream or Stream.default_of(storage.device),)
    return Tensor(storage, (raw.code, raw.bits, raw.lanes), raw.shape[:raw.ndim] if raw.ndim else (),
                  raw.strides[:raw.ndim] if raw.strides and raw.ndim else None, raw.offset,
                  bool(raw.flags & TensorState.READ_ONLY), padded=bool(raw.flags & TensorState.PADDED))
