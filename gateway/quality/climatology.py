"""QARTOD test 5, climatology: a value that this pond has not at this hour of the day, learned from the pond itself."""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag

MEMORY: Final = 14.0  # days
LEARN: Final = 10.0  # days before the test speaks
FACTOR: Final = 40.0  # times the hour's usual distance from its own mean


class Climatology:
    """Mean, and mean distance from it, of each hour of the local solar day, both exponentially weighted.

    A value may teach no more than three usual distances, so that an outlier does not become the rule.

    Parameters
    ----------
    resolution : of the probe; smallest usual distance
    """

    __slots__ = ("_distance", "_mean", "_resolution", "_weight", "expected")

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution
        self._mean = [0.0] * 24
        self._distance = [0.0] * 24
        self._weight = [0.0] * 24  # days seen
        self.expected = 0.0

    def check(self, hour: int, value: float, share: float, *, learn: bool) -> Flag:
        """Compare a value with its hour; return not evaluated while the hour is being learned.

        Parameters
        ----------
        hour : 0 to 23, local solar time
        value : the reading
        share : of an hour that passes between two readings
        learn : whether the value may teach
        """
        days, mean = self._weight[hour], self._mean[hour]
        self.expected = mean
        usual = self._distance[hour]
        usual = max(usual, self._resolution)
        away = value - mean
        flag = Flag.NOT_EVALUATED
        if days > LEARN:
            flag = Flag.SUSPECT if abs(away) > FACTOR * usual else Flag.GOOD
        if learn:
            if not days:
                self._mean[hour], self._weight[hour] = value, share
                return flag
            days += share
            self._weight[hour] = days
            rate = share / (days if days < MEMORY else MEMORY)
            limit = 3.0 * usual if days > 2.0 else 1e30
            moved = limit if away > limit else -limit if away < -limit else away
            self._mean[hour] = mean + rate * moved
            self._distance[hour] += rate * (abs(moved) - self._distance[hour])
        return flag

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [*self._mean, *self._distance, *self._weight]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._mean, self._distance, self._weight = state[:24], state[24:48], state[48:72]
