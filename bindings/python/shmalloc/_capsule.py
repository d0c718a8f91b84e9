"""Python's half of DLPack: managed tensors travel in capsules, whose name says whose they are.

A consumer renames a capsule and calls the tensor's deleter itself. One that is dropped unused is our affair, and would be a
destructor's. But a capsule is often dropped while an exception is on its way (a consumer that refuses the tensor does so), and a
destructor written in Python would lose that exception. So capsules have none: we keep each of them, and look after those that
nobody else has any more when the next one is made, when something is released or described, and before it is reported busy.
"""
from __future__ import annotations

import ctypes
import itertools
import sys
from typing import Any

from . import _raw
from ._errors import InvalidError, _sweepers, call
from ._lifetime import Reference, created

_API = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(('PyCapsule_New', _API))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(('PyCapsule_IsValid', _API))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(('PyCapsule_GetPointer', _API))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(('PyCapsule_SetName', _API))

# A capsule only points to its name: these live as long as the process.
_PLAIN, _VERSIONED = b'dltensor', b'dltensor_versioned'
_USED = {_PLAIN: b'used_dltensor', _VERSIONED: b'used_dltensor_versioned'}

# Where DLPack has the deleters, and the flags of a versioned tensor.
_DELETER_AT = {_PLAIN: 56, _VERSIONED: 16}
_FLAGS_AT, _IS_COPIED = 24, 2
_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

#: Capsules whose tensors nobody has taken yet, as far as we know.
_given: dict[int, Any] = {}
_tokens = itertools.count()


def export(reference: Reference, tensor: _raw.Tensor, versioned: bool, copied: bool = False) -> Any:
    """A capsule with a tensor over the bytes of a storage."""
    sweep()
    managed, name = ctypes.c_void_p(), _VERSIONED if versioned else _PLAIN
    call('dlpack_export' if versioned else 'dlpack_export_unversioned', reference, ctypes.byref(tensor), ctypes.byref(managed))
    if versioned and copied:
        ctypes.c_uint64.from_address((managed.value or 0) + _FLAGS_AT).value |= _IS_COPIED
    try:
        capsule = _new(managed, name, None)
        _given[next(_tokens)] = capsule
        return capsule
    except BaseException:
        _delete(managed.value or 0, name)
        raise


def check(reference: Reference, tensor: _raw.Tensor) -> None:
    """Raise what an export would."""
    managed = ctypes.c_void_p()
    call('dlpack_export', reference, ctypes.byref(tensor), ctypes.byref(managed))
    _delete(managed.value or 0, _VERSIONED)


def take(capsule: Any) -> tuple[Reference, _raw.Tensor]:
    """Take the tensor out of a capsule: a storage over its bytes, and how they are seen."""
    for name in (_VERSIONED, _PLAIN):
        if _is_valid(capsule, name):
            managed, tensor = ctypes.c_void_p(_pointer(capsule, name)), _raw.make(_raw.Tensor)
            _rename(capsule, _USED[name])
            return created('dlpack_import' if name is _VERSIONED else 'dlpack_import_unversioned', managed,
                           ctypes.byref(tensor)), tensor
    raise InvalidError(f'{capsule!r} is no capsule of DLPack, or somebody has taken its tensor')


def sweep() -> bool:
    """Give back the tensors in capsules that were dropped unused. True if there were any."""
    found = False
    for token in list(_given):
        capsule = _given.pop(token, None)
        if capsule is None:
            continue  # another thread looks at this one
        name = next((name for name in _USED if _is_valid(capsule, name)), None)
        if name is None:
            continue  # its consumer has the tensor
        if sys.getrefcount(capsule) > 2:  # our own name for it, and the argument
            _given[token] = capsule
            continue
        _delete(_pointer(capsule, name), name)
        found = True
    return found


def _delete(managed: int, name: bytes) -> None:
    deleter = ctypes.c_void_p.from_address(managed + _DELETER_AT[name])
    _Deleter(deleter.value or 0)(managed)


_sweepers.append(sweep)
