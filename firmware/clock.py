"""The board's clock: UTC where it is known, uptime always. The one place that knows of the 2000 and 1970 epochs.

Its face is `firmware.boundaries.Clock`; a host's clock has the same through `firmware.hostclock`.
"""

import asyncio
import time

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Rtc

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
