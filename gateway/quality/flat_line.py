"""QARTOD test 8, flat line: a value that does not move, by the probe's own resolution."""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag

# Water can stand still within a coarse probe's resolution for a day. What a channel's own repeats say earlier is `gateway.detection`'s.
SUSPECT: Final = 72 * 3600
FAIL: Final = 144 * 3600


class FlatLine:
    """How long the values have stayed within `tolerance` of one another: O(1) a reading.

    Parameters
    ----------
    tolerance : range below which the signal is flat, in the quantity's unit; a little above the resolution's half, so that equal values are flat
    suspect, fail : s, a multiple of the sampling interval
    """

    __slots__ = ("_begin", "_fail", "_high", "_low", "_suspect", "tolerance")

    def __init__(self, tolerance: float, suspect: int = SUSPECT, fail: int = FAIL) -> None:
        self.tolerance, self._suspect, self._fail = tolerance, suspect, fail
        self._low = self._high = float("nan")
        self._begin = 0

    def check(self, time: int, value: float) -> Flag:
        """Take a reading later than the last one; return how long the signal has been flat, as a flag."""
        low = value if not self._low <= value else self._low
        high = value if not self._high >= value else self._high
        if self._begin and high - low < self.tolerance:
            self._low, self._high = low, high
            flat = time - self._begin
            return Flag.GOOD if flat < self._suspect else Flag.SUSPECT if flat < self._fail else Flag.FAIL
        self._low = self._high = value
        self._begin = time
        return Flag.GOOD

    def seconds(self, time: int) -> int:
        """Return for how long the signal has been flat at `time`."""
        return time - self._begin

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._low, self._high, self._begin]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._low, self._high, self._begin = state[0], state[1], int(state[2])
