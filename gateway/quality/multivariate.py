"""QARTOD test 9, multivariate: salinity and conductivity say the same thing twice.

Salinity is worked out of conductivity (PSS-78). Where a node sends both, the difference between the salinity sent and the one that its conductivity
gives is a small constant of calibration and rounding, whatever the water does. It is learned, and a break of it is a fault of one of the two, never
of the water; while it holds, a sudden move of both is the water's.
"""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag
from vuong.water.salinity import from_conductivity

RELEARN: Final = 14 * 86400  # s of contradiction after which the new difference is learned: a probe was exchanged
LEARN: Final = 86400  # s of agreement before the test speaks
FACTOR: Final = 4.0  # times the usual distance
FLOOR: Final = 0.06  # ‰, usual distance at least: rounding of both values
CONFIRM: Final = 2.5  # times the usual distance up to which both probes confirm one another
_REFERENCE: Final = 25.0  # °C to which conductivity may have been reduced (specific conductance)


class Multivariate:
    """The difference between salinity and the salinity of the conductivity.

    Probes send conductivity as it is or reduced to 25 °C, and do not say which: both are tried, and the one with the steadier difference counts.

    Attributes
    ----------
    difference : of the latest pair from its usual value, ‰
    usual : mean distance of the difference from its usual value, ‰
    confirmed : the latest pair agrees
    """

    __slots__ = ("_begin", "_broken", "_centre", "_distance", "_pairs", "confirmed", "difference")

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._begin = self._broken = 0
        self._centre = [0.0, 0.0]  # as it is, reduced to 25 °C
        self._distance = [0.0, 0.0]
        self._pairs = 0.0
        self.confirmed = False
        self.difference = 0.0

    def check(self, time: int, salinity: float, conductivity: float, temperature: float | None) -> Flag:
        """Take a pair later than the last one; return suspect where the two contradict one another."""
        self.confirmed = False
        if not self._begin:
            self._begin = time
        learning = time - self._begin < LEARN
        chosen = 0 if temperature is not None and self._distance[0] < self._distance[1] else 1
        flag = Flag.NOT_EVALUATED
        for way in (0, 1) if learning else (chosen,):
            at = _REFERENCE if way else temperature
            if at is None:
                continue
            try:
                away = salinity - from_conductivity(conductivity, at) - self._centre[way]
            except ValueError:
                away = salinity - self._centre[way] if conductivity < 1.0 else 10.0  # outside PSS-78: no such brackish water
            usual = self._distance[way]
            if learning:
                self._pairs += 1.0
                rate = 2.0 / (self._pairs + 1.0)
                self._centre[way] += rate * away
                self._distance[way] += rate * (abs(away) - usual)
                continue
            usual = usual if usual > FLOOR else FLOOR
            size = away if away > 0 else -away
            self.difference = away
            self.confirmed = size < CONFIRM * usual
            if size > FACTOR * usual:
                self._broken = self._broken or time
                if time - self._broken > RELEARN:
                    self._reset()
                return Flag.SUSPECT
            self._broken = 0
            self._centre[way] += 0.005 * away
            self._distance[way] += 0.002 * (size - self._distance[way])
            flag = Flag.GOOD
        return flag

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._begin, *self._centre, *self._distance, self._pairs, self._broken]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._begin, self._pairs, self._broken = int(state[0]), state[5], int(state[6])
        self._centre, self._distance = state[1:3], state[3:5]
