"""Runs of equal values: how unlikely is it that a working probe says the same again."""

from __future__ import annotations

from math import log
from typing import Final

from gateway.detection import settings as s
from gateway.detection.remembered import Remembered

_LOG_LOW: Final = -log(0.03)
_LOG_HIGH: Final = -log(0.97)


class Repeats(Remembered):
    """What is usual of one channel: how often it repeats itself lately, and at this hour.

    Attributes
    ----------
    run : how many times the latest value has repeated the one before
    stuck : how unlikely the run is, in nats
    """

    __slots__ = ("by_hour", "lately", "run", "stuck")

    def __init__(self) -> None:
        self.run = 0
        self.stuck = 0.0
        self.lately = 0.3
        self.by_hour = [0.3] * 24

    def restart(self) -> None:
        """Begin a new run."""
        self.run, self.stuck = 0, 0.0

    def take(self, hour: int, *, equal: bool) -> float:
        """Take whether the next value is equal to the last one.

        Parameters
        ----------
        hour : of the local solar day
        equal : to the value before

        Returns
        -------
        float
            how unlikely it is, in nats, that this value repeats the last ones (three at most)
        """
        lately, by_hour = self.lately, self.by_hour
        if equal:
            self.run += 1
            often = by_hour[hour] + s.REPEAT_LATELY * (lately - by_hour[hour])
            self.stuck += _LOG_LOW if often < 0.03 else _LOG_HIGH if often > 0.97 else -log(often)
        else:
            self.run, self.stuck = 0, 0.0
        if self.run <= s.LEARNABLE_RUN:
            repeated = 1.0 if equal else 0.0
            by_hour[hour] += (repeated - by_hour[hour]) / s.REPEAT_MEMORY_HOUR
            self.lately = lately + (repeated - lately) / s.REPEAT_MEMORY
        return -(self.run if self.run < 3 else 3) * log(lately if lately > 0.02 else 0.02) if equal else 0.0
