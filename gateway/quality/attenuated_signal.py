"""QARTOD test 12, attenuated signal: a signal that still moves, but far less than water does."""

from __future__ import annotations

from collections import deque

from vuong.flags import Flag

_GAP = 8  # share of the window that may be empty at a stretch: a handful of readings has no range


class AttenuatedSignal:
    """Range of a sliding window, by two monotonic queues: O(1) a reading on average.

    Parameters
    ----------
    suspect, fail : ranges in the quantity's unit below which the signal is attenuated
    period : s, length of the window; a reading exactly `period` old is out of it
    """

    __slots__ = ("_begin", "_fail", "_highs", "_last", "_lows", "_period", "_suspect", "range")

    def __init__(self, suspect: float, fail: float, period: int) -> None:
        self._suspect, self._fail, self._period = suspect, fail, period
        self._lows: deque[tuple[int, float]] = deque()
        self._highs: deque[tuple[int, float]] = deque()
        self._begin = 0
        self._last = -period
        self.range = 0.0

    def check(self, time: int, value: float) -> Flag:
        """Take a reading later than the last one; return not evaluated until a whole window has been seen."""
        lows, highs = self._lows, self._highs
        while lows and lows[-1][1] >= value:
            lows.pop()
        lows.append((time, value))
        while highs and highs[-1][1] <= value:
            highs.pop()
        highs.append((time, value))
        out = time - self._period
        while lows[0][0] <= out:
            lows.popleft()
        while highs[0][0] <= out:
            highs.popleft()
        if time - self._last > self._period / _GAP:
            self._begin = time
        self._last = time
        self.range = highs[0][1] - lows[0][1]
        if self.range >= self._suspect:
            return Flag.GOOD
        if time - self._begin < self._period:
            return Flag.NOT_EVALUATED
        return Flag.FAIL if self.range < self._fail else Flag.SUSPECT

    def state(self) -> list[float]:
        """Return what is remembered."""
        queues = [len(self._lows), *(x for pair in (*self._lows, *self._highs) for x in pair)]
        return [self._begin, self._last, *queues]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._begin, self._last, lows = int(state[0]), int(state[1]), int(state[2])
        pairs = [(int(t), v) for t, v in zip(state[3::2], state[4::2], strict=True)]
        self._lows, self._highs = deque(pairs[:lows]), deque(pairs[lows:])
