"""Hearing what no call can return."""
from __future__ import annotations

from typing import Callable, Optional

from . import _raw
from ._enums import LogLevel, known
from ._errors import call
from ._lifetime import drop, keeping, kept

Listener = Callable[[int, str], None]


def _hear(level: int, message: bytes, token: int) -> None:
    kept(token)(known(LogLevel, level), message.decode('utf-8', 'replace'))


_listener = _raw.log_fn(_hear)


def set_log(listener: Optional[Listener], level: LogLevel = LogLevel.NOTE) -> None:
    """Call `listener(level, line)` for each line of at least this importance; None takes the listener off. It runs on any thread,
    on several at once. One for the whole process; taken off at exit. BusyError: called by a listener."""
    if listener is None:
        call('set_log', _raw.log_fn(), LogLevel.NONE, None, _raw.destroy_fn())
    else:
        with keeping(listener) as token:
            call('set_log', _listener, level, token, drop)
