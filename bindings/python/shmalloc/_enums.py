"""The enums of the headers as Python ones; the values come from the raw table, and a test compares the names."""
from __future__ import annotations

import enum
from typing import Type, TypeVar, Union

from ._raw import CONSTANTS as _C


class Status(enum.IntEnum):
    """Result of a call. A number without a name counts as INTERNAL."""

    OK = _C['SHMALLOC_STATUS_OK']
    INVALID = _C['SHMALLOC_STATUS_INVALID']
    NO_MEMORY = _C['SHMALLOC_STATUS_NO_MEMORY']
    NO_SPACE = _C['SHMALLOC_STATUS_NO_SPACE']
    NOT_FOUND = _C['SHMALLOC_STATUS_NOT_FOUND']
    EXISTS = _C['SHMALLOC_STATUS_EXISTS']
    PERMISSION = _C['SHMALLOC_STATUS_PERMISSION']
    BUSY = _C['SHMALLOC_STATUS_BUSY']
    TIMEOUT = _C['SHMALLOC_STATUS_TIMEOUT']
    UNSUPPORTED = _C['SHMALLOC_STATUS_UNSUPPORTED']
    VERSION = _C['SHMALLOC_STATUS_VERSION']
    CORRUPT = _C['SHMALLOC_STATUS_CORRUPT']
    STALE = _C['SHMALLOC_STATUS_STALE']
    PEER_GONE = _C['SHMALLOC_STATUS_PEER_GONE']
    CLOSED = _C['SHMALLOC_STATUS_CLOSED']
    INTERRUPTED = _C['SHMALLOC_STATUS_INTERRUPTED']
    SYSTEM = _C['SHMALLOC_STATUS_SYSTEM']
    BACKEND = _C['SHMALLOC_STATUS_BACKEND']
    INTERNAL = _C['SHMALLOC_STATUS_INTERNAL']

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        """Statuses are appended: one that we don't know counts as INTERNAL."""
        return cls.INTERNAL if isinstance(value, int) else None


class Kind(enum.IntEnum):
    """How memory is carved into storages."""

    DEFAULT = _C['SHMALLOC_ALLOCATOR_KIND_DEFAULT']
    DIRECT = _C['SHMALLOC_ALLOCATOR_KIND_DIRECT']
    MAP = _C['SHMALLOC_ALLOCATOR_KIND_MAP']
    MAP_REFCOUNTED = _C['SHMALLOC_ALLOCATOR_KIND_MAP_REFCOUNTED']
    SHARED = _C['SHMALLOC_ALLOCATOR_KIND_SHARED']
    CACHING = _C['SHMALLOC_ALLOCATOR_KIND_CACHING']


class DeviceType(enum.IntEnum):
    """Types of devices. HOST_STREAMS is this machine's memory as a device with streams and events, CUSTOM is yours: register_device."""

    HOST = _C['SHMALLOC_DEVICE_TYPE_HOST']
    CUDA = _C['SHMALLOC_DEVICE_TYPE_CUDA']
    VULKAN = _C['SHMALLOC_DEVICE_TYPE_VULKAN']
    HOST_STREAMS = _C['SHMALLOC_DEVICE_TYPE_HOST_STREAMS']
    CUSTOM = _C['SHMALLOC_DEVICE_TYPE_CUSTOM']


class LogLevel(enum.IntEnum):
    """How important a log line is."""

    NONE = _C['SHMALLOC_LOG_LEVEL_NONE']
    ERROR = _C['SHMALLOC_LOG_LEVEL_ERROR']
    WARNING = _C['SHMALLOC_LOG_LEVEL_WARNING']
    NOTE = _C['SHMALLOC_LOG_LEVEL_NOTE']


class Access(enum.IntEnum):
    """What a range is used for."""

    DEFAULT = _C['SHMALLOC_ACCESS_DEFAULT']
    READ = _C['SHMALLOC_ACCESS_READ']
    WRITE = _C['SHMALLOC_ACCESS_WRITE']


class Format(enum.IntEnum):
    """What the bytes of a handle are."""

    NATIVE = _C['SHMALLOC_HANDLE_FORMAT_NATIVE']
    TORCH_FD = _C['SHMALLOC_HANDLE_FORMAT_TORCH_FD']
    TORCH_FILE = _C['SHMALLOC_HANDLE_FORMAT_TORCH_FILE']


class Route(enum.IntEnum):
    """How a receiver gets at the memory."""

    DESCRIPTOR = _C['SHMALLOC_HANDLE_ROUTE_DESCRIPTOR']
    SHM = _C['SHMALLOC_HANDLE_ROUTE_SHM']
    FILE = _C['SHMALLOC_HANDLE_ROUTE_FILE']
    PROCESS = _C['SHMALLOC_HANDLE_ROUTE_PROCESS']
    EMPTY = _C['SHMALLOC_HANDLE_ROUTE_EMPTY']


class Maker(enum.IntEnum):
    """Who made a shared object."""

    UNKNOWN = _C['SHMALLOC_OBJECT_MAKER_UNKNOWN']
    SHMALLOC = _C['SHMALLOC_OBJECT_MAKER_SHMALLOC']
    TORCH = _C['SHMALLOC_OBJECT_MAKER_TORCH']


class Mapped(enum.IntFlag):
    """What a storage is mapped from; see shmalloc_mapped_flags."""

    SHARED = _C['SHMALLOC_MAPPED_SHARED']
    SHAREDMEM = _C['SHMALLOC_MAPPED_SHAREDMEM']
    EXCLUSIVE = _C['SHMALLOC_MAPPED_EXCLUSIVE']
    NOCREATE = _C['SHMALLOC_MAPPED_NOCREATE']
    KEEPFD = _C['SHMALLOC_MAPPED_KEEPFD']
    FROMFD = _C['SHMALLOC_MAPPED_FROMFD']
    UNLINK = _C['SHMALLOC_MAPPED_UNLINK']
    NO_GROW = _C['SHMALLOC_MAPPED_NO_GROW']
    READ_ONLY = _C['SHMALLOC_MAPPED_READ_ONLY']
    MEMFD = _C['SHMALLOC_MAPPED_MEMFD']
    HUGETLB = _C['SHMALLOC_MAPPED_HUGETLB']


class State(enum.IntFlag):
    """What a storage is now."""

    SHARED = _C['SHMALLOC_STORAGE_STATE_SHARED']
    IMPORTED = _C['SHMALLOC_STORAGE_STATE_IMPORTED']
    READ_ONLY = _C['SHMALLOC_STORAGE_STATE_READ_ONLY']
    SEALED = _C['SHMALLOC_STORAGE_STATE_SEALED']
    WRITE_SEALED = _C['SHMALLOC_STORAGE_STATE_WRITE_SEALED']
    IMMUTABLE = _C['SHMALLOC_STORAGE_STATE_IMMUTABLE']
    CLOSED = _C['SHMALLOC_STORAGE_STATE_CLOSED']
    FORKED = _C['SHMALLOC_STORAGE_STATE_FORKED']


class Capability(enum.IntFlag):
    """What a device or an allocator can do."""

    HOST_ACCESS = _C['SHMALLOC_CAPABILITY_HOST_ACCESS']
    EXPORT = _C['SHMALLOC_CAPABILITY_EXPORT']
    EXPORT_BYTES = _C['SHMALLOC_CAPABILITY_EXPORT_BYTES']
    READ_ONLY = _C['SHMALLOC_CAPABILITY_READ_ONLY']
    GROW = _C['SHMALLOC_CAPABILITY_GROW']
    HUGE_PAGES = _C['SHMALLOC_CAPABILITY_HUGE_PAGES']
    STREAMS = _C['SHMALLOC_CAPABILITY_STREAMS']
    CALL = _C['SHMALLOC_CAPABILITY_CALL']
    CAPTURE = _C['SHMALLOC_CAPABILITY_CAPTURE']
    PEERS = _C['SHMALLOC_CAPABILITY_PEERS']
    VIRTUAL = _C['SHMALLOC_CAPABILITY_VIRTUAL']


class ObjectState(enum.IntFlag):
    """What a shared object is."""

    NAMED = _C['SHMALLOC_OBJECT_NAMED']
    COUNTED = _C['SHMALLOC_OBJECT_COUNTED']
    LOCKED = _C['SHMALLOC_OBJECT_LOCKED']
    ABANDONED = _C['SHMALLOC_OBJECT_ABANDONED']
    UNCERTAIN = _C['SHMALLOC_OBJECT_UNCERTAIN']


class ChannelState(enum.IntFlag):
    """What a channel is now."""

    CLOSED = _C['SHMALLOC_CHANNEL_STATE_CLOSED']


class TensorState(enum.IntFlag):
    """What a tensor is; see shmalloc_tensor_flags."""

    READ_ONLY = _C['SHMALLOC_TENSOR_READ_ONLY']
    PADDED = _C['SHMALLOC_TENSOR_PADDED']


class Trim(enum.IntFlag):
    """What trim gives back."""

    DEFERRED = _C['SHMALLOC_TRIM_DEFERRED']
    EXPIRED = _C['SHMALLOC_TRIM_EXPIRED']
    FREE = _C['SHMALLOC_TRIM_FREE']


class Notices(enum.IntFlag):
    """What observers hear of."""

    MEMORY_LOW = _C['SHMALLOC_NOTICE_MEMORY_LOW']
    OUT_OF_MEMORY = _C['SHMALLOC_NOTICE_OUT_OF_MEMORY']


class StatPool(enum.IntEnum):
    """Index of the raw arrays of statistics."""

    ALL = _C['SHMALLOC_STAT_POOL_ALL']
    SMALL = _C['SHMALLOC_STAT_POOL_SMALL']
    LARGE = _C['SHMALLOC_STAT_POOL_LARGE']


class Reset(enum.IntFlag):
    """What reset_statistics begins anew."""

    PEAKS = _C['SHMALLOC_RESET_PEAKS']
    ACCUMULATED = _C['SHMALLOC_RESET_ACCUMULATED']


class History(enum.IntFlag):
    """What record_history does."""

    RECORD = _C['SHMALLOC_HISTORY_RECORD']
    CLEAR = _C['SHMALLOC_HISTORY_CLEAR']


class SnapshotFormat(enum.IntEnum):
    """What a snapshot is written as."""

    JSON = _C['SHMALLOC_SNAPSHOT_FORMAT_JSON']


E = TypeVar('E', bound=enum.Enum)


def known(enum_class: Type[E], value: int) -> Union[E, int]:
    """The member, or the plain number where a newer library says more than this binding knows."""
    try:
        return enum_class(value)
    except ValueError:
        return value
