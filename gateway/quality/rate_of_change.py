"""QARTOD test 7, rate of change: no water moves so fast."""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag

SHORTEST: Final = 900.0  # s: over less, a probe's own noise would look like a rate
# unit per hour
THRESHOLDS: Final[dict[str, float]] = {
    "temperature": 18.0,
    "do": 24.0,
    "ph": 6.0,
    "salinity": 60.0,
    "conductivity": 90.0,
    "turbidity": 8000.0,
    "depth": 6.0,
}


class RateOfChange:
    """Difference of two readings over the time between them.

    Parameters
    ----------
    threshold : unit per hour
    shortest : s; a shorter time counts as this long

    Attributes
    ----------
    rate : the latest, unit per hour
    """

    __slots__ = ("_shortest", "_threshold", "_time", "_value", "rate")

    def __init__(self, threshold: float, shortest: float = SHORTEST) -> None:
        self._threshold, self._shortest = threshold, shortest
        self._time, self._value = 0, float("nan")
        self.rate = 0.0

    def check(self, time: int, value: float) -> Flag:
        """Take a reading later than the last one; return suspect where the rate is above the threshold."""
        passed = time - self._time
        self.rate = abs(value - self._value) * 3600.0 / (passed if passed > self._shortest else self._shortest)
        self._time, self._value = time, value
        return Flag.SUSPECT if self.rate > self._threshold else Flag.GOOD

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._time, self._value]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._time, self._value = int(state[0]), state[1]
