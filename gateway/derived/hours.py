"""Hourly means of one quantity over the last day: what a daily change is measured against."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

HOUR: Final = 3600
DAY: Final = 24


class Hours:
    """The hourly means of a day, with their extremes kept at hand.

    Means, so that one low reading is not taken for the level that the water rose from.

    Parameters
    ----------
    entries : ``[hour number, sum, count]`` of each hour that had readings, oldest first
    """

    __slots__ = ("_ago", "_high", "_low", "entries")

    def __init__(self, entries: Iterable[list[float]] = ()) -> None:
        self.entries = deque(entries)
        self._look()

    def _look(self) -> None:
        """Find the extremes of the hours that are complete."""
        self._low, self._high = math.inf, -math.inf
        self._ago: dict[int, float] = {}
        if not self.entries:
            return
        now = self.entries[-1][0]
        while self.entries[0][0] < now - DAY:
            self.entries.popleft()
        for hour, total, count in self.entries:
            if now - DAY < hour < now:
                mean = total / count
                self._low, self._high = min(self._low, mean), max(self._high, mean)
            if hour < now:
                self._ago[int(now - hour)] = total / count

    def add(self, time: int, value: float) -> bool:
        """Take a value; ``False`` where its day is over (an old sample out of the backlog)."""
        hour, entries = time // HOUR, self.entries
        if entries and entries[-1][0] == hour:
            entries[-1][1] += value
            entries[-1][2] += 1
            return True
        if entries and hour < entries[-1][0]:
            return False
        entries.append([hour, value, 1])
        self._look()
        return True

    def mean(self) -> float:
        """Return the mean of the hour under way."""
        _, total, count = self.entries[-1]
        return total / count

    def low(self) -> float:
        """Return the lowest hourly mean of 24 hours, the hour under way included."""
        return min(self._low, self.mean())

    def high(self) -> float:
        """Return the highest hourly mean of 24 hours."""
        return max(self._high, self.mean())

    def back(self, hours: int) -> float | None:
        """Return the mean so many hours ago, at most 24; ``None`` where nothing was measured."""
        return self._ago.get(hours)
