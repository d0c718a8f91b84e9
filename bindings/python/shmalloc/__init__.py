"""shmalloc: allocate, map, share, count and free the same storages from every process and language of a machine.

    import shmalloc

    with shmalloc.Storage(1 << 20) as storage:
        storage.view()[:5] = b'hello'
        handle = storage.export()                # plain bytes, good in any process of this machine

    with shmalloc.Storage.import_(handle) as storage:
        print(bytes(storage.view()[:5]))

The library is loaded at the first call: SHMALLOC_LIBRARY names it, else the system finds libshmalloc.so. `shmalloc.torch` has what
only those who talk to PyTorch need; `shmalloc._raw` is the C interface as it is.
"""
from . import _raw
from ._enums import (Access, Capability, ChannelState, DeviceType, Format, History, Kind, LogLevel, Maker, Mapped, ObjectState, Reset, Route,
                     SnapshotFormat, StatPool, State, Status, Trim)
from ._errors import (BackendError, BusyError, ClosedError, CorruptError, ExistsError, InternalError, InvalidError, NoSpaceError,
                      NotFoundError, OutOfMemoryError, PeerGoneError, PermissionDeniedError, ShmallocError, StaleError,
                      SystemCallError, UnsupportedError, VersionError, WaitInterruptedError, WaitTimeoutError)
from .allocator import Allocator, AllocatorInfo, DeviceInfo, Stat, device, device_info, trim
from .channel import Channel, ChannelInfo
from .ipc import HandleInfo, handle_from_text, handle_info, handle_to_text, receive, send
from .log import set_log
from .machine import SharedObject, describe, format_size, make_name, reclaim, walk
from .storage import Storage, StorageInfo

__version__ = '{SHMALLOC_VERSION_MAJOR}.{SHMALLOC_VERSION_MINOR}.{SHMALLOC_VERSION_PATCH}'.format_map(_raw.CONSTANTS)


def library_version() -> str:
    """Version of the library that is loaded; __version__ is that of this binding."""
    return _raw.library().shmalloc_version_string().decode()


__all__ = [
    'Access', 'Allocator', 'AllocatorInfo', 'BackendError', 'BusyError', 'Capability', 'Channel', 'ChannelInfo', 'ChannelState', 'ClosedError', 'CorruptError',
    'DeviceInfo', 'DeviceType', 'ExistsError', 'Format', 'HandleInfo', 'History', 'InternalError', 'InvalidError', 'Kind',
    'LogLevel', 'Maker', 'Mapped', 'NoSpaceError', 'NotFoundError', 'ObjectState', 'OutOfMemoryError', 'PeerGoneError',
    'PermissionDeniedError', 'Reset', 'Route', 'SharedObject', 'ShmallocError', 'SnapshotFormat', 'StaleError', 'Stat',
    'StatPool', 'State', 'Status', 'Storage', 'StorageInfo', 'SystemCallError', 'Trim', 'UnsupportedError', 'VersionError',
    'WaitInterruptedError', 'WaitTimeoutError', 'describe', 'device', 'device_info', 'format_size', 'handle_from_text',
    'handle_info', 'handle_to_text', 'library_version', 'make_name', 'receive', 'reclaim', 'send', 'set_log', 'trim', 'walk',
]
