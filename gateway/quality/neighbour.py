"""QARTOD test 13, neighbour: a probe that leaves the others of its pond or canal.

Ponds on one canal differ, but they differ by much the same amount from hour to hour. The difference to the neighbours' latest values is learned; a
reading that breaks it, and that the neighbours do not share, is suspect.
"""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag

FRESH: Final = 5400  # s: a neighbour's reading older than this says nothing
MEMORY: Final = 500.0  # readings
LEARN: Final = 300.0  # readings before the test speaks
FACTOR: Final = 12.0  # times the usual distance


class Neighbour:
    """The difference of one channel to its neighbours, exponentially weighted.

    Parameters
    ----------
    resolution : of the probe; smallest usual distance
    """

    __slots__ = ("_broken", "_centre", "_count", "_distance", "_resolution", "difference")

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution
        self._centre = self._distance = self._count = self._broken = 0.0
        self.difference = 0.0

    def check(self, value: float, others: float) -> Flag:
        """Take a reading and its neighbours' mean; return suspect where their difference is far from usual."""
        away = value - others - self._centre
        size = away if away > 0 else -away
        usual = self._distance if self._distance > self._resolution else self._resolution
        self.difference = away
        if self._count > LEARN and size > FACTOR * usual:
            self._broken += 1.0
            if self._broken > MEMORY:  # it stays: another probe, another water; learn the difference anew
                self._count = self._broken = 0.0
            return Flag.SUSPECT
        self._broken = 0.0
        self._count += 1.0
        rate = 1.0 / (self._count if self._count < MEMORY else MEMORY)
        self._centre += rate * away
        self._distance += rate * (size - self._distance)
        return Flag.GOOD if self._count > LEARN else Flag.NOT_EVALUATED

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._centre, self._distance, self._count, self._broken]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._centre, self._distance, self._count, self._broken = state
