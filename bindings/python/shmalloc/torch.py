"""PyTorch as a peer: its counts, its manager, and storages to and from it. Torch itself is imported when it is first needed."""
from __future__ import annotations

import ctypes
import math
import os
import shutil
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from ._dtypes import NAMES, TYPES, name_of
from ._enums import Format
from ._errors import (ClosedError, CorruptError, InvalidError, NotFoundError, PermissionDeniedError, ShmallocError, UnsupportedError, call,
                      encoded)
from .allocator import Allocator
from .channel import Channel
from .storage import Storage

if TYPE_CHECKING:
    import torch

#: Element types in a record: those that every version of torch has.
_DTYPES = {name: code for name, code in TYPES.items() if name not in ('uint16', 'uint32', 'uint64')}


def refcount(storage: Storage, change: int = 0) -> int:
    """PyTorch's count of a MAP_REFCOUNTED storage, after `change` was added to it."""
    count = ctypes.c_int32()
    call('torch_refcount', storage._ref(), change, ctypes.byref(count))
    return count.value


def manager_run(path: str | os.PathLike[str], stop_fd: int) -> None:
    """Answer PyTorch's torch_shm_manager protocol on this thread until `stop_fd` becomes readable or its other end is closed."""
    call('torch_manager_run', encoded(path), stop_fd)


class Manager:
    """manager_run on a thread of its own, as long as the `with` lasts; `path` is what PyTorch takes as the manager."""

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        folder = None if path else tempfile.mkdtemp(prefix='shmalloc-torch-')
        self.path = os.fspath(path) if path else os.path.join(folder or '', 'manager.sock')
        self._errors: list[ShmallocError] = []
        stop, go = os.pipe()
        thread = threading.Thread(target=_run_manager, args=(self.path, stop, self._errors), name='shmalloc manager', daemon=True)
        thread.start()
        self._finalizer = weakref.finalize(self, _stop_manager, thread, go, folder)

    def stop(self) -> None:
        """End it, and raise what it ended with."""
        self._finalizer()
        if self._errors:
            raise self._errors.pop()

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def _run_manager(path: str, stop: int, errors: list[ShmallocError]) -> None:
    try:
        manager_run(path, stop)
    except ShmallocError as error:
        errors.append(error)
    finally:
        os.close(stop)


def _stop_manager(thread: threading.Thread, go: int, folder: str | None) -> None:
    os.close(go)
    thread.join()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def to_torch(storage: Storage) -> torch.UntypedStorage:
    """A torch storage over the same memory, without a copy; torch shares it on with its own means. The memory lives as long as
    either has it. It has an object of its own (`isolated`, or an allocator of kind MAP): torch maps whole ones."""
    import torch
    size = storage.size
    if not size:
        return torch.UntypedStorage(0)
    fds = storage.export_fds(format=Format.TORCH_FD)
    try:
        return torch.UntypedStorage._new_shared_fd_cpu(fds[0], size)
    finally:
        for fd in fds:
            os.close(fd)


def from_torch(storage: torch.UntypedStorage) -> Storage:
    """A storage over the memory of a torch storage of the CPU, shared by torch's current strategy; no copy when it is shared
    already."""
    import torch
    if torch.multiprocessing.get_sharing_strategy() == 'file_system':
        manager, name, size = storage._share_filename_cpu_()
        return Storage.import_(b'\n'.join([manager, name, str(size).encode()]), format=Format.TORCH_FILE)
    fd, size = storage._share_fd_cpu_()
    return Storage.import_(str(size).encode(), [fd], format=Format.TORCH_FD)


# ---- tensors in storages ----

def tensor(storage: Storage, dtype: torch.dtype, shape: Iterable[int] = (-1,), offset: int = 0) -> torch.Tensor:
    """A tensor over the bytes of a storage from `offset` on, without a copy, of memory that can't be sent too. It holds them as a view
    does, and so does every tensor that is a view of it. One length may be -1: as much as there is."""
    import torch
    shape = tuple(shape)
    count = -1 if -1 in shape else math.prod(shape)
    if not count or count < 0 and storage.size == offset:
        return torch.empty([0 if length == -1 else length for length in shape], dtype=dtype)
    return torch.frombuffer(storage.view(write=True), dtype=dtype, count=count, offset=offset).reshape(shape)


def empty(shape: Iterable[int], dtype: torch.dtype | None = None, *, allocator: Allocator | None = None) -> torch.Tensor:
    """A tensor over a new storage, with whatever the memory held before: what is built in it, send_tensor sends without a copy."""
    import torch
    shape, dtype = tuple(shape), dtype or torch.get_default_dtype()
    return tensor(Storage(math.prod(shape) * torch.empty(0, dtype=dtype).element_size(), allocator=allocator), dtype, shape)


# ---- tensors through channels ----

def record(dtype: Any, shape: Iterable[int], note: bytes = b'', *, offset: int = 0) -> bytes:
    """What a channel carries beside a storage that becomes a tensor. `dtype` is torch's, numpy's or a name, so that senders need no
    torch; `note` is yours, in what is left of the channel's record_size. Its bytes: DLPack's type code, bits of an element,
    number of lengths, offset and lengths as LEB128, note."""
    name, shape = name_of(dtype), tuple(shape)
    if name not in _DTYPES or len(shape) > 255 or any(number < 0 for number in (offset, *shape)):
        raise InvalidError(f'no tensor of type {name} and shape {shape} can be sent')
    data = bytearray([*_DTYPES[name], len(shape)])
    for number in (offset, *shape):
        while number > 127:
            data.append(number & 127 | 128)
            number >>= 7
        data.append(number)
    return bytes(data) + note


def send_tensor(channel: Channel, tensor: torch.Tensor, note: bytes = b'', *, allocator: Allocator | None = None,
                timeout: float | None = None) -> None:
    """Send a tensor of the CPU and a note. One that lies in a storage of kind SHARED in one piece (`empty`, `receive_tensor`) is sent
    without a copy: both have it then, and see each other's writing. Any other is copied into a new storage of `allocator`. `timeout` as
    of Channel.send."""
    tensor = tensor.detach()
    if not tensor.numel():
        return channel.send(None, record(tensor.dtype, tensor.shape, note), timeout=timeout)
    if tensor.device.type == 'cpu' and tensor.is_contiguous() and not tensor.is_neg() and not tensor.is_conj():
        try:
            storage, offset = Storage.find(tensor.data_ptr())
            if offset + tensor.numel() * tensor.element_size() <= storage.size:
                return channel.send(storage, record(tensor.dtype, tensor.shape, note, offset=offset), timeout=timeout)
        except (NotFoundError, UnsupportedError, PermissionDeniedError):
            pass  # in no storage, or in one that no channel takes
    copy = empty(tensor.shape, tensor.dtype, allocator=allocator).copy_(tensor)
    channel.send(Storage.find(copy.data_ptr())[0], record(copy.dtype, copy.shape, note), timeout=timeout)


def receive_tensor(channel: Channel, timeout: float | None = None) -> tuple[torch.Tensor, bytes]:
    """The next tensor, over the sender's memory, and its note. The memory goes back to the sender when the last tensor over it is gone,
    with the next call here that does what finalizers put off (receive, trim), or when this process dies. CorruptError: what
    came is no tensor."""
    import torch
    storage, data = channel.receive(timeout)
    try:
        name, (offset, *shape), note = _read(data)
    except (IndexError, KeyError) as error:
        raise CorruptError('what came through the channel has no record of a tensor') from error
    dtype = getattr(torch, name)
    if storage is None and 0 in shape:
        return torch.empty(shape, dtype=dtype), note
    if storage is None or offset + math.prod(shape) * _DTYPES[name][1] // 8 > storage.size:
        raise CorruptError('a tensor came that is longer than its storage')
    return tensor(storage, dtype, shape, offset), note


def tensors(channel: Channel) -> Iterator[tuple[torch.Tensor, bytes]]:
    """What receive_tensor gives, until the channel is closed and empty."""
    while True:
        try:
            received = receive_tensor(channel)
        except ClosedError:
            return
        yield received
        del received  # or the memory of the last one would wait for the next one


def _read(data: bytes) -> tuple[str, list[int], bytes]:
    """The reverse of record: type, offset and lengths, note."""
    numbers: list[int] = []
    at = 3
    while len(numbers) <= data[2]:
        number = shift = 0
        while data[at] > 127:
            number, shift, at = number | (data[at] & 127) << shift, shift + 7, at + 1
        numbers.append(number | data[at] << shift)
        at += 1
    name = NAMES[data[0], data[1]]
    if name not in _DTYPES:
        raise KeyError(name)
    return name, numbers, data[at:]
