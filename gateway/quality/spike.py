"""QARTOD test 6, spike: a value far from both its neighbours. The verdict on a value comes with the next one."""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag

# suspect, fail: distance from the middle of the neighbours that no water of a pond, an estuary or a river makes and takes back within two samples
THRESHOLDS: Final[dict[str, tuple[float, float]]] = {
    "temperature": (3.0, 6.0),
    "do": (5.0, 10.0),
    "ph": (1.0, 2.0),
    "salinity": (10.0, 20.0),
    "conductivity": (15.0, 30.0),
    "turbidity": (1000.0, 2000.0),
    "depth": (1.0, 2.0),
}


class Spike:
    """The test's method *average* (QARTOD manual of dissolved oxygen, test 6): |v1 - (v0 + v2) / 2|.

    Parameters
    ----------
    suspect, fail : thresholds in the quantity's unit
    """

    __slots__ = ("_fail", "_one", "_suspect", "_two", "height")

    def __init__(self, suspect: float, fail: float) -> None:
        self._suspect, self._fail = suspect, fail
        self._one = self._two = float("nan")
        self.height = 0.0

    def check(self, value: float) -> Flag:
        """Take a value; return the flag of the value *before* it, not evaluated where it lacks a neighbour."""
        height = abs(self._one - (self._two + value) * 0.5)
        self._two, self._one = self._one, value
        self.height = height
        if height > self._suspect:
            return Flag.FAIL if height > self._fail else Flag.SUSPECT
        return Flag.GOOD if height == height else Flag.NOT_EVALUATED  # noqa: PLR0124 - NaN

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._one, self._two]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._one, self._two = state
