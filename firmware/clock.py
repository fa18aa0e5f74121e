"""The node's clock: UTC where it is known, uptime always. The one place that knows of the 2000 and 1970 epochs.

Two clocks with one face: `BoardClock` on the ESP32, `InjectedClock` around a host's clock (``now()``, ``sleep()``; see `vuong.clock`), which may run
faster than real time.
"""

import asyncio
import time

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.boundaries import HostClock, Rtc

# MicroPython's real-time counter; CPython has its own.
_ticks_ms: "Callable[[], int] | None" = getattr(time, "ticks_ms", None)
_ticks_diff: "Callable[[int, int], int] | None" = getattr(time, "ticks_diff", None)

# The ESP32 port counts from 2000, the Unix port and CPython from 1970; its floats have 32 bits, so times stay integers.
EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0
# A clock that shows an earlier date was never set: 2026-01-01.
EARLIEST = 1767225600


class BoardClock:
    """The ESP32's own clock, which runs on through deep sleep and starts at its epoch after a power loss.

    Parameters
    ----------
    rtc : ``machine.RTC()``, whose date TLS checks certificates against; ``None`` where it cannot be set
    origin : what `origin` was before a deep sleep, so that uptime goes on; ``None`` at a cold start
    """

    def __init__(self, rtc: "Rtc | None" = None, origin: "int | None" = None) -> None:
        self._rtc = rtc
        self._shift = 0
        self.origin = self._raw() if origin is None else origin

    def _raw(self) -> int:
        return int(time.time()) + EPOCH + self._shift

    def now(self) -> "int | None":
        """Return UTC seconds since 1970, ``None`` while the clock was never set."""
        raw = self._raw()
        return raw if raw >= EARLIEST else None

    def uptime(self) -> int:
        """Return seconds since the cold start; setting the clock does not move it."""
        return max(0, self._raw() - self.origin)

    def set(self, utc: int) -> None:
        """Set the clock to UTC seconds since 1970."""
        step = utc - self._raw()
        if self._rtc is None:
            self._shift += step
        else:
            year, month, day, hour, minute, second, weekday = time.gmtime(utc - EPOCH)[:7]
            self._rtc.datetime((year, month, day, weekday, hour, minute, second, 0))
        self.origin += step

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await asyncio.sleep(max(0.0, seconds))


class InjectedClock:
    """A host's clock as a node sees it.

    Parameters
    ----------
    clock : object with ``now()`` (UTC seconds) and ``async sleep(seconds)``; may be accelerated
    known : false for a node that starts without a date, as after a power loss; then `set` gives it one
    """

    def __init__(self, clock: "HostClock", known: bool = True) -> None:
        self._clock = clock
        self._start = self._host()
        self._known = known
        self._shift = 0

    def _host(self) -> int:
        return int(self._clock.now())

    def now(self) -> "int | None":
        """Return UTC seconds since 1970, ``None`` while the clock was never set."""
        return self._host() + self._shift if self._known else None

    def uptime(self) -> int:
        """Return seconds since this object was made."""
        return max(0, self._host() - self._start)

    def set(self, utc: int) -> None:
        """Set a clock that was not known; a host's clock that was known stays as it is."""
        if not self._known:
            self._known, self._shift = True, utc - self._host()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the host's clock."""
        await self._clock.sleep(max(0.0, seconds))


class Stopwatch:
    """Real seconds since it was made or reset, whatever the clocks do; up to six days."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again at 0."""
        self._start = _ticks()

    def seconds(self) -> float:
        """Return the seconds since the last reset."""
        return _since(self._start) / 1000


def _ticks() -> int:
    return _ticks_ms() if _ticks_ms else time.monotonic_ns() // 1000000


def _since(start: int) -> int:
    return _ticks_diff(_ticks(), start) if _ticks_diff else _ticks() - start
