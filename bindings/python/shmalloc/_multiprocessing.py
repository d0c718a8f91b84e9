"""What multiprocessing needs beyond ordinary pickles: descriptors, where no bytes lead to the memory."""
from __future__ import annotations

import os
import weakref
from multiprocessing import context, reduction
from typing import Any

from ._errors import UnsupportedError
from .storage import Storage


def _reduce(storage: Storage) -> tuple[Any, ...]:
    try:
        return storage.__reduce__()
    except UnsupportedError:
        if not storage.is_shared:
            raise
    read_only = storage._only_read()
    handle, fds = storage.export(read_only=read_only, descriptor=True), storage.export_fds(read_only=read_only)
    child = context.get_spawning_popen()
    try:
        return _rebuilt, (handle, [reduction.DupFd(fd) for fd in fds])
    finally:
        if child is None:
            _close(fds)
        else:  # which inherits them, a little later
            weakref.finalize(child, _close, fds)


def _rebuilt(handle: bytes, duplicates: list[Any]) -> Storage:
    fds = [duplicate.detach() for duplicate in duplicates]
    try:
        return Storage.import_(handle, fds)
    finally:
        _close(fds)


def _close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


reduction.ForkingPickler.register(Storage, _reduce)
