"""Where storages come from."""
from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

from . import _raw
from ._enums import Capability, History, Kind, Notices, Reset, SnapshotFormat, StatPool, Trim, known
from ._errors import InvalidError, call, encoded, sweep, text
from ._lifetime import Held, Reference, created
from .caching import CacheInfo, Function, Observer, Size, caching_params
from .device import HOST, Device, whole

if TYPE_CHECKING:
    from .storage import Storage
    from .stream import Stream


@dataclass(frozen=True)
class AllocatorInfo:
    """An allocator, described; see shmalloc_allocator_info."""

    name: str
    kind: Kind | int
    device: Device
    id: int
    references: int
    live_storages: int
    live_bytes: int
    alignment: int
    capabilities: Capability


class Stat(NamedTuple):
    """One statistic; see shmalloc_stat."""

    current: int
    peak: int
    allocated: int
    freed: int

    @classmethod
    def _of(cls, raw: _raw.Stat) -> Stat:
        return cls(raw.current, raw.peak, raw.allocated, raw.freed)


#: PyTorch's names of the pools.
_POOLS = {StatPool.ALL: 'all', StatPool.SMALL: 'small_pool', StatPool.LARGE: 'large_pool'}


def settings_text(config: str | None, settings: dict[str, Any]) -> str:
    """key:value,key:value out of text and keywords; True and False are 1 and 0, a mode is written in octal."""
    def written(key: str, value: Any) -> str:
        if isinstance(value, bool):
            return str(int(value))
        return f'{value:04o}' if key == 'mode' and isinstance(value, int) else str(value)

    return ','.join(([config] if config else []) + [f'{key}:{written(key, value)}' for key, value in settings.items()])


class Allocator(Held):
    """Makes storages of one kind. Settings are keywords, or text in `config`: prefix, mode (0o600), populate,
    export_ttl_ms, manager, numa_node, alignment, segment_size, growth, watermark, pages, sealed, and PyTorch's keys for kind CACHING; which
    kind takes which stands at shmalloc_allocator_params."""

    __slots__ = ('_device',)
    _device: Device | None
    _retain, _release = 'shmalloc_allocator_retain', 'shmalloc_allocator_release'

    def __init__(self, kind: Kind = Kind.DEFAULT, *, name: str | None = None, config: str | None = None, environment: bool = False,
                 device: Device = HOST, **settings: Any) -> None:
        params = _raw.make(_raw.AllocatorParams)
        params.device, params.kind = device.number, kind
        params.flags = _raw.CONSTANTS['SHMALLOC_ALLOCATOR_ENVIRONMENT'] if environment else 0
        params.name, params.config = encoded(name), encoded(settings_text(config, settings) or None)
        self._hold(created('allocator_create', ctypes.byref(params)))
        self._device = device

    def _hold(self, reference: Reference) -> None:
        super()._hold(reference)
        self._device = None

    @classmethod
    def current(cls, device: Device = HOST) -> Allocator:
        """The allocator of a device that is used where none is named; of the host, in all that is made without a stream."""
        return cls._of(created('allocator_get_current', device.number))

    def make_current(self) -> None:
        """Use this one where none is named. BusyError: storages of the one before are live."""
        call('allocator_set_current', self._ref())

    def create(self, size: int, **options: Any) -> Storage:
        """A new storage; options as of Storage."""
        from .storage import Storage
        return Storage(size, allocator=self, **options)

    @property
    def device(self) -> Device:
        """Where its memory is."""
        self._ref()
        if self._device is None:
            self._device = self.info.device
        return self._device

    @property
    def info(self) -> AllocatorInfo:
        """What it is, and what it made that is still there."""
        info = _raw.make(_raw.AllocatorInfo)
        call('allocator_get_info', self._ref(), ctypes.byref(info))
        return AllocatorInfo(info.name.decode('utf-8', 'replace'), known(Kind, info.kind), Device.of(info.device), info.id, info.references,
                             info.live_storages, info.live_bytes, info.alignment, Capability(info.capabilities))

    def configure(self, config: str | None = None, **settings: Any) -> None:
        """Change settings: all that are named, or none."""
        call('allocator_configure', self._ref(), encoded(settings_text(config, settings)))

    def config(self, key: str | None = None) -> str:
        """The value of one setting, or all of them as text."""
        return text('allocator_get_config', self._ref(), encoded(key))

    def trim(self, what: Trim | int = 0, keep_bytes: int = 0) -> int:
        """Give back what is kept for later; the bytes that were given back, as far as is known."""
        return _trim(self._ref(), what, keep_bytes)

    # ---- kind CACHING: memory by address, for those who plug into other libraries ----

    def allocate(self, size: int, stream: Stream | None = None) -> int:
        """The address of memory for work on a stream, by default the default one. What was given back on that stream may be had again at
        once. All who need no bare address have storages."""
        address = ctypes.c_uint64()
        call('allocator_allocate', self._ref(), whole(size), self.device._number_of(stream), ctypes.byref(address))
        return address.value

    def deallocate(self, address: int, stream: Stream | None = None) -> None:
        """Give memory back: what was queued until now is done before anybody else has it. `stream` is where it was used last; None:
        where allocate() and record_stream() said. NotFoundError: no block in use begins there."""
        number = _raw.CONSTANTS['SHMALLOC_STREAM_OWN'] if stream is None else self.device._number_of(stream)
        call('allocator_deallocate', self._ref(), whole(address), number)

    def record_stream(self, address: int, stream: Stream) -> None:
        """Another stream uses this memory, allocate()'s or a storage's: what is queued there when it is given back is done before anybody
        else has it."""
        call('allocator_record_stream', self._ref(), whole(address), self.device._number_of(stream))

    def base(self, address: int) -> tuple[int, int]:
        """What the device gave in one piece, of which this memory is a part: address and size."""
        base, size = ctypes.c_uint64(), ctypes.c_uint64()
        call('allocator_get_base', self._ref(), whole(address), ctypes.byref(base), ctypes.byref(size))
        return base.value, size.value

    def cache_info(self) -> CacheInfo:
        """What might be had, and what is cached."""
        info = _raw.make(_raw.CacheInfo)
        call('allocator_get_cache_info', self._ref(), ctypes.byref(info))
        return CacheInfo._of(info)

    def configure_caching(self, *, max_split_size: Size = None, max_non_split_rounding: Size = None, large_segment_size: Size = None,
                          garbage_collection_threshold: float | None = None, per_process_memory_fraction: float | None = None,
                          roundup_power2_divisions: int | Sequence[int] | None = None) -> None:
        """Change settings: all that are not None, or none. Sizes are bytes, whole MiB, and math.inf is unlimited; a part of 0 is never, or
        nothing at all; divisions are for all sizes, or for those from 1, 2, 4, .. MiB. The keys of shmalloc_allocator_params say what
        they mean."""
        params = caching_params(max_split_size, max_non_split_rounding, large_segment_size, garbage_collection_threshold,
                                per_process_memory_fraction, roundup_power2_divisions)
        call('allocator_configure_caching', self._ref(), ctypes.byref(params))

    def observe(self, kinds: Notices | int, function: Function) -> Observer:
        """Call `function(notice)` for what happens here, as long as the observer lives: on the thread whose call it is, on several at once.
        It may use shmalloc. A true answer to MEMORY_LOW says that it gave memory back, so that the allocation tries again; an exception
        counts as a false one, and goes to sys.unraisablehook. NoSpaceError: 16 observe it already."""
        return Observer(self._ref(), kinds, function)

    # ---- what it did ----

    def statistics(self) -> dict[str, Any]:
        """What it has and had, by the names of shmalloc_statistics: a Stat, a dict of a Stat for each of 'all', 'small_pool' and
        'large_pool', or a number."""
        raw = _raw.make(_raw.Statistics)
        call('allocator_get_statistics', self._ref(), ctypes.byref(raw))
        found: dict[str, Any] = {}
        for name, *_ in raw._fields_[1:]:
            value = getattr(raw, name)
            if isinstance(value, ctypes.Array):
                found[name] = {word: Stat._of(value[pool]) for pool, word in _POOLS.items()}
            else:
                found[name] = Stat._of(value) if isinstance(value, _raw.Stat) else value
        return found

    def reset_statistics(self, what: Reset | int = 0) -> None:
        """Begin to count anew: peaks, what accumulated, or by default all of it."""
        call('allocator_reset_statistics', self._ref(), what)

    def record_history(self, enabled: bool = True, *, max_entries: int = 0, clear: bool = False) -> None:
        """Record from now on the newest `max_entries` (100000) of what is made, released, given back, and could not be made; or
        end that. snapshot() tells."""
        params = _raw.make(_raw.HistoryParams)
        if not 0 <= max_entries < 1 << 64:
            raise InvalidError(f'max_entries {max_entries} is no number of entries')
        params.max_entries = max_entries
        params.flags = (History.RECORD if enabled else 0) | (History.CLEAR if clear else 0)
        call('allocator_record_history', self._ref(), ctypes.byref(params))

    def snapshot_storage(self, to: Allocator | None = None) -> Storage:
        """The snapshot's text, as JSON, in a storage of `to`: where it can be sent from. None: in private memory."""
        from .storage import Storage
        params = _raw.make(_raw.SnapshotParams)
        params.format = SnapshotFormat.JSON
        return Storage._of(created('allocator_snapshot', self._ref(), ctypes.byref(params), to._ref() if to is not None else None))

    def snapshot(self) -> dict[str, Any]:
        """What it has now, and its history, with the keys of torch.cuda.memory._snapshot() and, under 'shmalloc', our own."""
        with self.snapshot_storage() as storage, storage.view() as view:
            found: dict[str, Any] = json.loads(bytes(view))
            return found

    def __repr__(self) -> str:
        if self._reference is None:
            return '<shmalloc.Allocator, released>'
        info = self.info
        kind = getattr(info.kind, 'name', info.kind)
        return f'<shmalloc.Allocator {info.id} {kind} {info.name!r} with {info.live_storages} storages>'


def _trim(reference: Reference | None, what: int, keep_bytes: int) -> int:
    sweep()
    given_back = ctypes.c_uint64()
    call('allocator_trim', reference, what, keep_bytes, ctypes.byref(given_back))
    return given_back.value


def trim(what: Trim | int = 0, keep_bytes: int = 0) -> int:
    """Allocator.trim of every allocator."""
    return _trim(None, what, keep_bytes)
