"""The bytes of a storage as an array, for every library that speaks DLPack."""
from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Iterable, Union

from . import _capsule, _raw
from ._dtypes import Code, code_of, dtype_of
from ._enums import TensorState
from ._errors import InvalidError, PermissionDeniedError

if TYPE_CHECKING:
    from .storage import Storage

#: DLPack's number of the host, and its index.
HOST_DEVICE = (1, 0)


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
        no version, and what is read-only raises ReadOnlyError, a BufferError."""
        return exported(self.storage, self._raw(), stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The host."""
        return HOST_DEVICE

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.storage, self._code, self.shape, self.strides, self.offset, self.read_only, self.padded)

    def __repr__(self) -> str:
        return f'<shmalloc.Tensor {self.dtype} {self.shape} at {self.offset} of {self.storage!r}>'


def _remade(storage: Storage, code: Code, shape: tuple[int, ...], strides: tuple[int, ...] | None, offset: int, read_only: bool,
            padded: bool) -> Tensor:
    return Tensor(storage, code, shape, strides, offset, read_only, padded=padded)


def exported(storage: Storage, raw: _raw.Tensor, stream: Any, max_version: tuple[int, int] | None, dl_device: tuple[int, int] | None,
             copy: bool | None) -> Any:
    """__dlpack__ of tensors and storages."""
    if stream is not None:
        raise InvalidError('the memory of the host has no streams; stream must be None')
    if dl_device is not None and tuple(dl_device) != HOST_DEVICE:
        raise BufferError(f'the memory is the host\'s, {HOST_DEVICE}; it was asked for on {tuple(dl_device)}')
    versioned = max_version is not None and max_version[0] >= 1
    if copy:
        storage = copied(storage)
    try:
        return _capsule.export(storage._ref(), raw, versioned, bool(copy))
    except PermissionDeniedError as error:
        raise ReadOnlyError(str(error), error.os_error, error.backend_error) from None


def copied(storage: Storage) -> Storage:
    """A new storage of the default allocator with the same bytes."""
    from .storage import Storage
    made = Storage(storage.size)
    made.copy(storage)
    return made


def from_dlpack(source: Any) -> Tensor:
    """A tensor over somebody's array, without a copy: anything that has __dlpack__ and lies in memory of the host, or a capsule. Its
    storage is private to this process, until share() moves it. The array is held until the last hold of the storage is gone."""
    capsule = source
    if hasattr(source, '__dlpack__'):
        try:
            capsule = source.__dlpack__(max_version=(1, 0))
        except TypeError:  # from before there were versions
            capsule = source.__dlpack__()
    from .storage import Storage
    reference, raw = _capsule.take(capsule)
    storage = Storage._of(reference)
    return Tensor(storage, (raw.code, raw.bits, raw.lanes), raw.shape[:raw.ndim] if raw.ndim else (),
                  raw.strides[:raw.ndim] if raw.strides and raw.ndim else None, raw.offset,
                  bool(raw.flags & TensorState.READ_ONLY), padded=bool(raw.flags & TensorState.PADDED))
