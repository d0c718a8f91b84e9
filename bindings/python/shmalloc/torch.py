"""PyTorch as a peer: its counts, its manager, and storages to and from it. Torch itself is imported when it is first needed."""
from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, Any

from ._enums import Format
from ._errors import ShmallocError, call, encoded
from .storage import Storage

if TYPE_CHECKING:
    import torch


def refcount(storage: Storage, change: int = 0) -> int:
    """PyTorch's count of a MAP_REFCOUNTED storage, after `change` was added to it."""
    count = ctypes.c_int32()
    call('torch_refcount', storage._ref(), change, ctypes.byref(count))
    return count.value


def manager_run(path: str | os.PathLike, stop_fd: int) -> None:
    """Answer PyTorch's torch_shm_manager protocol on this thread until `stop_fd` becomes readable or its other end is closed."""
    call('torch_manager_run', encoded(path), stop_fd)


class Manager:
    """manager_run on a thread of its own, as long as the `with` lasts; `path` is what PyTorch takes as the manager."""

    def __init__(self, path: str | os.PathLike | None = None) -> None:
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
        return torch.UntypedStorage._new_shared_fd_cpu(fds[0], size)  # type: ignore[attr-defined]
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


def tensor(storage: Storage, dtype: torch.dtype, shape: tuple[int, ...] = (-1,)) -> Any:
    """A tensor over the bytes of a storage, without a copy, of memory that can't be sent too. It holds them as a view does."""
    import torch
    return torch.frombuffer(storage.view(write=True), dtype=dtype).reshape(shape)
