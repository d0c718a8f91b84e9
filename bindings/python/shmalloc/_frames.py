"""One object as one message of a channel: its pickle in the record, or the pickle and the buffers beside it in a storage.

A frame in a storage begins with the length of the pickle and the number of buffers, then offset and length of each buffer, all of
64 bits; then comes the pickle, which says which of them are read-only, then the buffers.
"""
from __future__ import annotations

import io
import pickle
import struct
import sys
from multiprocessing import reduction
from pickle import PickleBuffer
from typing import Any, Callable

from . import _multiprocessing  # noqa: F401  (it registers what it has)
from ._dtypes import name_of
from ._errors import CorruptError
from .allocator import Allocator
from .storage import Storage
from .tensor import Tensor, from_dlpack

#: First byte of a record: all of the pickle follows; a frame is in the storage; the storage itself is the object.
INLINE, FRAME, WHOLE = b'\0', b'\1', b'\2'
_PAIR = struct.Struct('<QQ')
_ALIGNMENT = 64
#: Buffers of fewer bytes are not worth a place of their own: they are copied into the pickle.
_SMALL = 256


class _Pickler(reduction.ForkingPickler):
    """What multiprocessing can send, and arrays that lie in one piece stay out of the pickle."""

    def reducer_override(self, thing: Any) -> Any:
        """How some are pickled that would put their bytes into the pickle."""
        numpy, torch = sys.modules.get('numpy'), sys.modules.get('torch')
        if numpy is not None and type(thing) is numpy.ndarray and not (thing.flags.c_contiguous or thing.flags.f_contiguous):
            return thing.copy().__reduce_ex__(5)
        if torch is not None and type(thing) is torch.Tensor:
            return _torch_parts(thing)
        if type(thing) is Tensor and not thing.storage.is_shared:
            code = thing._code
            return _tensor_of, (PickleBuffer(thing.storage.view()), code, thing.shape, thing.strides, thing.offset, thing.read_only,
                                thing.padded)
        return NotImplemented


def _torch_parts(tensor: Any) -> Any:
    import torch
    if tensor.device.type != 'cpu' or tensor.layout != torch.strided or tensor.requires_grad or tensor.is_quantized:
        return NotImplemented
    plain = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
    return _torch_of, (PickleBuffer(from_dlpack(plain).storage.view()), name_of(tensor.dtype), tuple(tensor.shape))


def _torch_of(buffer: Any, dtype: str, shape: tuple[int, ...]) -> Any:
    import torch
    kind = getattr(torch, dtype)
    if not len(memoryview(buffer)):
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(buffer, dtype=kind).reshape(shape)


def _tensor_of(buffer: Any, code: Any, shape: Any, strides: Any, offset: int, read_only: bool, padded: bool) -> Tensor:
    storage = Storage.adopt(buffer, read_only=memoryview(buffer).readonly)
    return Tensor(storage, code, shape, strides, offset, read_only, padded=padded)


def pack(thing: Any, room: int, allocator: Callable[[], Allocator]) -> tuple[Storage | None, bytes]:
    """Storage and record of an object; records have at most `room` bytes."""
    buffers: list[memoryview] = []

    def beside(buffer: PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _SMALL:
            return True
        buffers.append(view)
        return False

    pickled = io.BytesIO()
    _Pickler(pickled, 5, True, beside).dump(thing)
    body = pickled.getbuffer()
    if not buffers and len(body) < room:
        return None, INLINE + body
    at = start = _PAIR.size * (1 + len(buffers))
    at += len(body)
    places = []
    for view in buffers:
        at += -at % _ALIGNMENT
        places.append(at)
        at += view.nbytes
    storage = allocator().create(at)
    with storage.view() as memory:
        _PAIR.pack_into(memory, 0, len(body), len(buffers))
        for i, (place, view) in enumerate(zip(places, buffers)):
            _PAIR.pack_into(memory, _PAIR.size * (1 + i), place, view.nbytes)
            memory[place:place + view.nbytes] = view
        memory[start:start + len(body)] = body
    return storage, FRAME


def unpack(storage: Storage | None, record: bytes) -> Any:
    """The object, over the storage's memory."""
    if record[:1] == INLINE and storage is None:
        return pickle.loads(record[1:])
    if storage is None or record not in (FRAME, WHOLE):
        raise CorruptError('what came through the channel was not put there by a Queue')
    if record == WHOLE:
        return storage
    try:
        return _read(storage)
    finally:
        storage.release()


def _read(storage: Storage) -> Any:
    memory = storage.view()
    length, count = _PAIR.unpack_from(memory)
    start = _PAIR.size * (1 + count)
    if start + length > len(memory):
        raise CorruptError('a message of a Queue is longer than its storage')
    buffers = []
    for i in range(count):
        place, size = _PAIR.unpack_from(memory, _PAIR.size * (1 + i))
        buffers.append(memory[place:place + size])
    return pickle.loads(memory[start:start + length], buffers=buffers)
