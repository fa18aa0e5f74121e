"""The clock: certificates, alarms at night and the order of readings all hang on it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from gateway.check.finding import Finding, Subject, fail, not_applicable, ok, warn
from gateway.check.records import Records
from vuong.i18n import VIETNAM

# This program was not written before, and will not run after.
_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_TOLERATED: Final = 120  # s behind the last stored reading
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


def kernel_clock_state() -> int | None:
    """Return what adjtimex(2) says of the system's clock, whichever time service runs; ``None`` where there is no such call."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "adjtimex"):
        return None
    state = int(library.adjtimex(ctypes.create_string_buffer(512)))  # struct timex with modes 0: read only
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return state


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, VIETNAM).strftime("%H:%M %d/%m/%Y")


def check(subject: Subject, state: Callable[[], int | None] = kernel_clock_state) -> Iterator[Finding]:
    """Compare the clock with reason, with the last stored reading and with the network's time."""
    now = subject.clock.now()
    if not _EARLIEST <= now < _LATEST:
        yield fail("clock.absurd", time=_shown(now))
    with Records(subject.config.database) as records:
        last = records.last_arrival()
    if last is not None and last > now + _TOLERATED:
        yield fail("clock.behind", time=_shown(now), last=_shown(last))
    try:
        found = state()
    except OSError:
        found = None
    if found is None:
        yield not_applicable("clock.unknown", time=_shown(now))
    elif found == _TIME_ERROR:
        yield warn("clock.unsynchronised", time=_shown(now))
    else:
        yield ok("clock.ok", time=_shown(now))
