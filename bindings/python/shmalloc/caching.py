"""Allocators of kind CACHING: what they could give, settings by fields, and who hears of memory that is missing."""
from __future__ import annotations

import ctypes
import math
import operator
from dataclasses import dataclass
from typing import Any, Callable, Sequence, Union

from . import _raw
from ._enums import Notices
from ._errors import InvalidError, call, sweep
from ._lifetime import Closing, Reference, drop, keeping, kept, observers, report
from .device import Device

_NONE32, _NONE64 = (1 << 32) - 1, (1 << 64) - 1


def _said(amount: int) -> int | None:
    """None for what the device does not say."""
    return None if amount == _NONE64 else amount


@dataclass(frozen=True)
class CacheInfo:
    """What an allocator of kind CACHING could give, in bytes; None: the device does not say. See shmalloc_cache_info."""

    largest: int | None
    cached: int
    available: int | None
    total: int | None

    @classmethod
    def _of(cls, raw: _raw.CacheInfo) -> CacheInfo:
        return cls(_said(raw.largest), raw.cached, _said(raw.available), _said(raw.total))


@dataclass(frozen=True)
class Notice:
    """What an observer hears, in bytes where nothing else is said; None: the device does not say. See shmalloc_notice."""

    kind: Notices
    report: str
    device: Device
    allocator_id: int
    stream: int
    requested: int
    rounded: int
    total: int | None
    available: int | None
    limit: int
    reserved: int
    allocated: int
    pending: int
    largest_free: int
    fragmentation: int

    @classmethod
    def _of(cls, raw: Any) -> Notice:
        return cls(Notices(raw.kind), (raw.report or b'').decode('utf-8', 'replace'), Device.of(raw.device), raw.allocator_id,
                   raw.stream, raw.requested, raw.rounded, _said(raw.total), _said(raw.available), raw.limit, raw.reserved,
                   raw.allocated, raw.pending, raw.largest_free, raw.fragmentation)


Function = Callable[[Notice], object]


class Observer(Closing):
    """That somebody observes an allocator; Allocator.observe makes it. It ends with close(), with its `with`, or when it is dropped: so keep
    it. When close() returns, no call of the function runs any more. BusyError: called by the function itself."""

    __slots__ = ()

    def __init__(self, allocator: Reference, kinds: Notices | int, function: Function) -> None:
        sweep()
        number = ctypes.c_uint64()
        with keeping(function) as token:
            call('allocator_observe', allocator, kinds, _observer, token, drop, ctypes.byref(number))
        self._gives_back('allocator_unobserve', allocator, number.value)
        observers.add(self)


def _hear(notice: Any, token: int) -> int:
    try:
        return 1 if kept(token)(Notice._of(notice.contents)) else 0
    except BaseException as error:  # the notice comes in the middle of somebody else's call
        report(error)
        return 0


_observer = _raw.observer_fn(_hear)

# ---- settings: to the library 0 says that one stays as it is ----

Size = Union[int, float, None]


def caching_params(max_split_size: Size, max_non_split_rounding: Size, large_segment_size: Size,
                   garbage_collection_threshold: float | None, per_process_memory_fraction: float | None,
                   roundup_power2_divisions: int | Sequence[int] | None) -> _raw.CachingParams:
    """Settings by fields, as the library takes them."""
    params = _raw.make(_raw.CachingParams)
    params.max_split_size = _size('max_split_size', max_split_size)
    params.max_non_split_rounding = _size('max_non_split_rounding', max_non_split_rounding)
    params.large_segment_size = _size('large_segment_size', large_segment_size)
    params.garbage_collection_ppm = _part('garbage_collection_threshold', garbage_collection_threshold)
    params.memory_ppm = _part('per_process_memory_fraction', per_process_memory_fraction)
    if roundup_power2_divisions is not None:
        steps = len(params.roundup_divisions)
        given = roundup_power2_divisions
        divisions = [given] * steps if isinstance(given, int) else list(given)
        if len(divisions) > steps or not all(0 <= number <= _NONE32 for number in divisions):
            raise InvalidError(f'roundup_power2_divisions is one number, or one for each of up to {steps} sizes')
        params.roundup_divisions[:len(divisions)] = [number or 1 for number in divisions]
    return params


def _size(name: str, size: Size) -> int:
    if size is None:
        return 0
    if size == math.inf:
        return _NONE64
    size = operator.index(size)  # type: ignore[arg-type]
    if not 0 < size < _NONE64:
        raise InvalidError(f'{name}: {size} is no number of bytes')
    return size


def _part(name: str, part: float | None) -> int:
    """In millionths."""
    if part is None:
        return 0
    if not 0 <= part <= 1:
        raise InvalidError(f'{name}: {part} is no part of the whole, 0 to 1')
    return max(1, round(part * 1000000)) if part else _NONE32
