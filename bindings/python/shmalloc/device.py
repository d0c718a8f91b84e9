"""Where memory is: devices."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import _raw
from ._enums import Capability, DeviceType, known
from ._errors import InvalidError, NotFoundError, UnsupportedError, call

if TYPE_CHECKING:
    from .stream import Stream


@dataclass(frozen=True)
class DeviceInfo:
    """A device, described; see shmalloc_device_info."""

    name: str
    device: Device
    total: int
    available: int
    page_size: int
    count: int
    capabilities: Capability


@dataclass(frozen=True, repr=False)
class Device:
    """A device: a type, and which one of that type. It is begun by the first call that needs it, and lasts as long as the process.

    Copies and fills by address are queued on a stream, by default the device's default one. Nothing is checked and nothing is held: the
    memory must last until the stream has done it. Storage.copy does both."""

    type: DeviceType | int = DeviceType.HOST
    index: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.type < 1 << 32 and 0 <= self.index < 1 << 32):
            raise InvalidError(f'{self.type}, {self.index} is no type of devices and index')
        object.__setattr__(self, 'type', known(DeviceType, self.type))

    @staticmethod
    def host() -> Device:
        """Plain memory, without streams."""
        return HOST

    @staticmethod
    def cuda(index: int = 0) -> Device:
        """A GPU, through its driver, which is looked for when it is first needed."""
        return Device(DeviceType.CUDA, index)

    @staticmethod
    def host_streams(index: int = 0) -> Device:
        """This machine's memory as a device with streams and events, for machines without a GPU; index 0 to 63."""
        return Device(DeviceType.HOST_STREAMS, index)

    @staticmethod
    def of(number: int) -> Device:
        """The device that has this number in C."""
        return Device(number >> 32, number & 0xffffffff)

    @property
    def number(self) -> int:
        """Its number in C."""
        return int(self.type) << 32 | self.index

    @staticmethod
    def count(type: DeviceType | int) -> int:
        """How many of a type can be had here; 0 as well where the driver is missing. Of custom ones info.count of one of them tells."""
        try:
            return Device(type).info.count
        except (NotFoundError, UnsupportedError):
            return 0

    @property
    def info(self) -> DeviceInfo:
        """What it is and offers. NotFoundError: no such index. UnsupportedError: no such type here, and why."""
        info = _raw.make(_raw.DeviceInfo)
        call('device_get_info', self.number, ctypes.byref(info))
        return DeviceInfo(info.name.decode('utf-8', 'replace'), Device.of(info.device), info.total, info.available, info.page_size,
                          info.count, Capability(info.capabilities))

    def synchronize(self) -> None:
        """Wait until all work is done that was queued on it, on any stream. BusyError: a stream is being captured."""
        call('device_synchronize', self.number)

    def enable_peer(self, peer: Device) -> None:
        """Let the streams of `peer` read and write this device's memory: what there is, and what comes. UnsupportedError: the two
        can't reach each other."""
        call('device_enable_peer', self.number, peer.number)

    def copy(self, to: int, from_: int, size: int, stream: Stream | None = None) -> None:
        """Queue a copy by address, between any two of this device's memory, its peers' and the host's."""
        call('device_copy', self.number, whole(to), whole(from_), whole(size), self._number_of(stream))

    def fill(self, to: int, value: int, size: int, stream: Stream | None = None) -> None:
        """Queue that bytes get a value, 0 to 255, by address."""
        if not 0 <= value < 256:
            raise InvalidError(f'{value} is no value of a byte')
        call('device_fill', self.number, whole(to), value, whole(size), self._number_of(stream))

    def _number_of(self, stream: Stream | None) -> int:
        """A stream, for a call that is about this device: a driver that is given another one's may crash. The host looks at none."""
        if stream is None:
            return DEFAULT
        number = stream.number
        if stream.device == self:
            return number
        if self == HOST:
            return DEFAULT
        raise InvalidError(f'a stream of {stream.device} is none of {self}')

    def __repr__(self) -> str:
        return f'Device({getattr(self.type, "name", self.type)}, {self.index})'


#: The device of everything that says nothing else.
HOST = Device()
#: The stream that each device has anyway.
DEFAULT = _raw.CONSTANTS['SHMALLOC_STREAM_DEFAULT']


def whole(value: int) -> int:
    """An address or a size; ctypes would cut what does not fit."""
    if not 0 <= value < 1 << 64:
        raise OverflowError(f'{value} is no address and no size')
    return value
