"""The enums of the headers as Python ones; the values come from the raw table."""
import enum

from . import _raw


def _members(prefix, but=()):
    cut = len(prefix)
    return {name[cut:]: value for name, value in _raw.CONSTANTS.items()
            if name.startswith(prefix) and not name.endswith('_FORCE32') and name not in but}


class _StatusBase(enum.IntEnum):
    @classmethod
    def _missing_(cls, value):
        """Statuses are appended: one that we don't know counts as INTERNAL."""
        return cls.INTERNAL if isinstance(value, int) else None


Status = _StatusBase('Status', _members('SHMALLOC_STATUS_'), module=__name__)
Kind = enum.IntEnum('Kind', _members('SHMALLOC_ALLOCATOR_KIND_'), module=__name__)
DeviceType = enum.IntEnum('DeviceType', _members('SHMALLOC_DEVICE_TYPE_'), module=__name__)
LogLevel = enum.IntEnum('LogLevel', _members('SHMALLOC_LOG_LEVEL_'), module=__name__)
Access = enum.IntEnum('Access', _members('SHMALLOC_ACCESS_'), module=__name__)
Format = enum.IntEnum('Format', _members('SHMALLOC_HANDLE_FORMAT_'), module=__name__)
Route = enum.IntEnum('Route', _members('SHMALLOC_HANDLE_ROUTE_'), module=__name__)
Maker = enum.IntEnum('Maker', _members('SHMALLOC_OBJECT_MAKER_'), module=__name__)
Mapped = enum.IntFlag('Mapped', _members('SHMALLOC_MAPPED_'), module=__name__)
State = enum.IntFlag('State', _members('SHMALLOC_STORAGE_STATE_'), module=__name__)
Capability = enum.IntFlag('Capability', _members('SHMALLOC_CAPABILITY_'), module=__name__)
ObjectState = enum.IntFlag('ObjectState', _members('SHMALLOC_OBJECT_', but={
    name for name in _raw.CONSTANTS if name.startswith('SHMALLOC_OBJECT_MAKER_')}), module=__name__)
Trim = enum.IntFlag('Trim', _members('SHMALLOC_TRIM_'), module=__name__)


def known(enum_class, value):
    """The member, or the plain number where a newer library says more than this binding knows."""
    try:
        return enum_class(value)
    except ValueError:
        return value
