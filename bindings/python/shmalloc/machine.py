"""What is shared on this machine, and taking it back."""
from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass
from typing import Any

from . import _raw
from ._enums import Maker, ObjectState, known
from ._errors import call, encoded, text


@dataclass(frozen=True)
class SharedObject:
    """One shared object; see shmalloc_object_info."""

    name: str
    size: int
    resident: int
    modified_ns: int
    refcount: int | None
    maker: Maker | int
    state: ObjectState
    holders: int
    holder_pid: int
    uid: int
    mode: int


def describe() -> dict[str, Any]:
    """What this machine offers, and for what is missing the reason."""
    found: dict[str, Any] = json.loads(text('machine_describe'))
    return found


def walk(prefix: str | None = None) -> list[SharedObject]:
    """The shared objects of shmalloc's and of PyTorch's making that this user can see. `prefix`: of names made by shmalloc."""
    found: list[SharedObject] = []

    def hear(pointer: Any, _userdata: int | None) -> int:
        seen = pointer.contents
        found.append(SharedObject(os.fsdecode(seen.name), seen.size, seen.resident, seen.modified_ns,
                                  seen.refcount if seen.state & ObjectState.COUNTED else None, known(Maker, seen.maker),
                                  ObjectState(seen.state), seen.holders, seen.holder_pid, seen.uid, seen.mode))
        return 0

    call('machine_walk', encoded(prefix), _raw.object_fn(hear), None)
    return found


def reclaim(name: str | None = None, *, prefix: str | None = None, force: bool = False, dry_run: bool = False) -> tuple[int, int]:
    """Remove what no living process holds: one object, or all of them. How many were removed, and their bytes."""
    objects, size = ctypes.c_uint64(), ctypes.c_uint64()
    flags = sum(_raw.CONSTANTS[f'SHMALLOC_RECLAIM_{flag}'] for flag, wanted in (('FORCE', force), ('DRY_RUN', dry_run)) if wanted)
    call('machine_reclaim', encoded(name), encoded(prefix), flags, ctypes.byref(objects), ctypes.byref(size))
    return objects.value, size.value


def make_name(prefix: str | None = None) -> str:
    """A new name for a shared object, with its leading slash."""
    return text('make_name', encoded(prefix))


def format_size(size: int) -> str:
    """A size for people: "1.50 KiB"."""
    return text('format_size', size)
