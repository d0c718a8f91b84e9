"""shmalloc: allocate, map, share, count and free the same storages from every process and language of a machine.

    import shmalloc

    with shmalloc.Storage(1 << 20) as storage:
        storage.view()[:5] = b'hello'
        handle = storage.export()                # plain bytes, good in any process of this machine

    with shmalloc.Storage.import_(handle) as storage:
        print(bytes(storage.view()[:5]))

On a device (`Device.cuda()`, `Device.host_streams()`, one of your own: `register_device`) memory comes from caching allocators, and
work is queued on streams: `Storage(size, stream=Stream(device))`.

numpy and torch see storages without a copy (`storage.array`, `storage.tensor`, `from_dlpack`), pickles carry them by their handles, and
`Queue` is multiprocessing's, with arrays that are written once and read where they are.

The library is loaded at the first call: SHMALLOC_LIBRARY names it, else the system finds libshmalloc.so. `shmalloc.torch` has what
only those who talk to PyTorch need; `shmalloc._raw` is the C interface as it is.
"""
import ctypes

from . import _raw
from ._enums import (Access, Capability, ChannelState, DeviceType, Format, History, Kind, LogLevel, Maker, Mapped, Notices, ObjectState,
                     Reset, Route, SnapshotFormat, StatPool, State, Status, TensorState, Trim)
from ._errors import (BackendError, BusyError, ClosedError, CorruptError, ExistsError, InternalError, InvalidError, NoSpaceError,
                      NotFoundError, OutOfMemoryError, PeerGoneError, PermissionDeniedError, ShmallocError, StaleError,
                      SystemCallError, UnsupportedError, VersionError, WaitInterruptedError, WaitTimeoutError, call, encoded, status_name)
from .allocator import Allocator, AllocatorInfo, Stat, trim
from .backend import Backend, register_device, unregister_device
from .caching import CacheInfo, Notice, Observer
from .channel import Channel, ChannelInfo
from .device import Device, DeviceInfo
from .ipc import HandleInfo, handle_from_text, handle_info, handle_to_text, receive, send
from .log import set_log
from .machine import SharedObject, describe, format_size, make_name, reclaim, walk
from .queues import Queue
from .storage import Storage, StorageInfo
from .stream import Event, Stream
from .tensor import ReadOnlyError, Tensor, from_dlpack

__version__ = '{SHMALLOC_VERSION_MAJOR}.{SHMALLOC_VERSION_MINOR}.{SHMALLOC_VERSION_PATCH}'.format_map(_raw.CONSTANTS)


def library_version() -> str:
    """Version of the library that is loaded; __version__ is that of this binding."""
    text: bytes = _raw.library().shmalloc_version_string()
    return text.decode()


def version() -> int:
    """The same as a number: major * 10**6 + minor * 10**3 + patch."""
    return int(_raw.library().shmalloc_version())


def abi_lookup(name: str) -> int:
    """Value of a constant, size or offset of the C headers, as the library has it: "sizeof(shmalloc_error)"."""
    value = ctypes.c_int64()
    call('abi_lookup', encoded(name), ctypes.byref(value))
    return value.value


__all__ = [
    'Access', 'Allocator', 'AllocatorInfo', 'Backend', 'BackendError', 'BusyError', 'CacheInfo', 'Capability', 'Channel',
    'ChannelInfo', 'ChannelState', 'ClosedError', 'CorruptError', 'Device', 'DeviceInfo', 'DeviceType', 'Event', 'ExistsError',
    'Format', 'HandleInfo', 'History', 'InternalError', 'InvalidError', 'Kind', 'LogLevel', 'Maker', 'Mapped', 'NoSpaceError',
    'NotFoundError', 'Notice', 'Notices', 'ObjectState', 'Observer', 'OutOfMemoryError', 'PeerGoneError', 'PermissionDeniedError',
    'Queue', 'ReadOnlyError', 'Reset', 'Route', 'SharedObject', 'ShmallocError', 'SnapshotFormat', 'StaleError', 'Stat',
    'StatPool', 'State', 'Status', 'Storage', 'StorageInfo', 'Stream', 'SystemCallError', 'Tensor', 'TensorState', 'Trim',
    'UnsupportedError', 'VersionError', 'WaitInterruptedError', 'WaitTimeoutError', 'abi_lookup', 'describe', 'format_size',
    'from_dlpack', 'handle_from_text', 'handle_info', 'handle_to_text', 'library_version', 'make_name', 'receive', 'reclaim',
    'register_device', 'send', 'set_log', 'status_name', 'trim', 'unregister_device', 'version', 'walk',
]
