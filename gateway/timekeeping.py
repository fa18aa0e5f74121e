"""What time it is when the machine's clock may be wrong: a Raspberry Pi without a battery wakes in 1970, and clocks are set by hand.

Time that has passed is read off a monotonic clock; the wall clock is believed while it keeps step with that. When it jumps, the old time line
goes on until there is a reason to take the new one, so that no jump alone makes an alarm or breaks the order of readings.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.check.timekeeping import kernel_clock_state
from vuong.clock import Clock, ScaledClock, SystemClock

# This program was not written before, and will not run after.
EARLIEST: Final = 1_735_689_600  # 2025-01-01
LATEST: Final = 4_102_444_800  # 2100-01-01
STEP: Final = 60.0  # s by which a wall clock may be set without being called wrong
BEHIND: Final = 120.0  # s behind the last stored moment at the start
OFF_FOR: Final = 400 * 86_400  # s: nobody believes that a gateway was off for longer, without a time service that says so
ASK_EVERY: Final = 10.0  # s between questions to the kernel
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
# systemd-timesyncd leaves this when it has set the clock since the boot; the unit's sandbox may forbid adjtimex(2).
_SYNCHRONISED: Final = Path("/run/systemd/timesync/synchronized")


def synchronised() -> bool:
    """Return whether a time service has set the machine's clock."""
    try:
        state = kernel_clock_state()
    except OSError:
        state = None
    return _SYNCHRONISED.exists() or (state is not None and state != _TIME_ERROR)


def monotonic_of(clock: Clock) -> Callable[[], float]:
    """Return the steady time that belongs to a clock; a clock that is set by hand is its own."""
    if isinstance(clock, SystemClock):
        return time.monotonic
    if isinstance(clock, ScaledClock):
        factor = clock.factor
        return lambda: time.monotonic() * factor
    return clock.now


class Timekeeper:
    """The gateway's own time, a `vuong.clock.Clock`.

    Parameters
    ----------
    clock : the machine's clock, which may be wrong
    last : the last moment that the database knows of; ``None`` for a new one
    monotonic : seconds that never jump; the machine's own by default
    trusted_source : says whether a time service has set the clock; asked of the kernel for the machine's own clock, no for a simulated one

    Attributes
    ----------
    trusted : whether the wall clock is believed
    verified : whether a time service stands behind it
    offset : seconds by which the wall clock was seen to be off when it ceased to be believed
    """

    def __init__(
        self,
        clock: Clock,
        last: float | None = None,
        *,
        monotonic: Callable[[], float] | None = None,
        trusted_source: Callable[[], bool] | None = None,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic or monotonic_of(clock)
        self._source = trusted_source or (synchronised if isinstance(clock, SystemClock) else lambda: False)
        # Two clocks are read one after the other: where one runs fast, a moment between counts for more.
        self._step = max(STEP, getattr(clock, "factor", 1.0))
        self._pending = False
        self.trusted, self.verified, self.offset = True, False, 0
        wall = clock.now()
        self._at = self._asked = self._monotonic()
        self.verified = self._source()
        # What happened in that last second was before all that comes now.
        floor = max(0.0 if last is None else last + 1.0, EARLIEST)
        plausible = floor - max(BEHIND, self._step) <= wall < LATEST and (last is None or wall < last + OFF_FOR)
        # A time service may be asked before it is believed: 1970 is wrong whoever says it.
        self._base = wall
        if not plausible and not (self.verified and EARLIEST <= wall < LATEST):
            self._base = floor
            self._lost = True  # the right time is not known at all: whoever sets the clock knows better
            self._doubt(wall - floor)
        else:
            self._lost = False

    def now(self) -> float:
        """Return UTC seconds since 1970 as far as they are known; they go on evenly while the wall clock jumps."""
        wall, steady = self._clock.now(), self._monotonic()
        passed = max(0.0, steady - self._at)
        told, expected = self._base, self._base + passed
        self._at, self._base = steady, expected
        off = wall - expected
        if self._pending:
            return expected
        if abs(off) <= self._step:
            # A slow drift is followed, a clock that came back is right again; where it is behind what was told, time stands until it is not.
            self._base = max(wall, told)
            self.trusted, self._lost = True, False
        elif self.trusted or steady - self._asked >= ASK_EVERY or abs(off - self.offset) > self._step:
            self._judge(wall, off, steady)
        return self._base

    def _judge(self, wall: float, off: float, steady: float) -> None:
        """Take the time of a wall clock that stands elsewhere than it should, or keep ours."""
        self._asked = steady
        self.verified = self._source()
        moved = abs(off - self.offset) > self._step  # since it was last found wrong: somebody has set it
        set_by_hand = self._lost and moved and self._base <= wall < self._base + OFF_FOR
        if EARLIEST <= wall < LATEST and (self.verified or set_by_hand):
            self._pending = True
        else:
            self._doubt(off)

    def _doubt(self, off: float) -> None:
        self.trusted, self.verified, self.offset = False, False, round(off)

    def verify(self) -> bool:
        """Ask whether a time service stands behind the clock now; what was stamped up to now is then right."""
        self.verified = self.trusted and self._source()
        return self.verified

    def correction(self) -> int:
        """Step over to a wall clock that is right again; return by how many seconds all that was stamped in doubt must be moved.

        `now` goes on in the old time line until this is called, so that no message is stamped in the new one before the rest has moved.
        """
        expected = self.now()
        if not self._pending:
            return 0
        self._base = self._clock.now()
        self._pending, self.trusted, self._lost = False, True, False
        return round(self._base - expected)

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await self._clock.sleep(seconds)


CONSISTENT: Final = 60  # s within which a node's last messages agree on how far its clock is off
TOLERATED: Final = 120  # s that a node's clock may be off
REMEMBERED: Final = 5  # messages


class NodeClocks:
    """How far each node's clock is ahead of the gateway's, from messages that were sent at once.

    A message may be late, so one alone says little: what has waited at the broker comes in a burst, and its delays differ by the time between
    its samples. Only when `REMEMBERED` messages in a row agree within `CONSISTENT` seconds is it the clock.

    Parameters
    ----------
    offsets : seconds by node, as an earlier object's `offsets`
    """

    def __init__(self, offsets: object = None) -> None:
        self._seen: dict[str, list[int]] = {}
        self._latest: dict[str, int] = {}
        self.offsets: dict[str, int] = dict(offsets) if isinstance(offsets, dict) else {}

    def observe(self, node: str, time: int, arrived: int) -> None:
        """Take the time of a live sample that its node stamped itself."""
        ahead = time - arrived
        if node not in self.offsets and -CONSISTENT <= ahead <= CONSISTENT:
            if node in self._seen:
                del self._seen[node]  # the usual case: nothing to remember
            return
        if time <= self._latest.get(node, 0):
            return  # sent again, or late: it tells nothing of the clock
        self._latest[node] = time
        seen = self._seen.setdefault(node, [])
        seen.append(ahead)
        if len(seen) < REMEMBERED:
            return
        del seen[:-REMEMBERED]
        if max(seen) - min(seen) > CONSISTENT:
            return
        offset = sorted(seen)[REMEMBERED // 2]
        if abs(offset) > TOLERATED:
            self.offsets[node] = offset
        else:
            self.offsets.pop(node, None)
            del self._seen[node]
