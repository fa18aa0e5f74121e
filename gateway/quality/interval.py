"""How often a node samples, seen from its samples."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = 900.0  # s, until two equal intervals have been seen
_LONGEST: Final = 86400.0


class Interval:
    """Seconds between two samples of a node: two alike in a row set it, so that one gap does not.

    Attributes
    ----------
    seconds : the interval
    last : UTC seconds of the latest sample, 0 before the first
    """

    __slots__ = ("candidate", "last", "seconds")

    def __init__(self) -> None:
        self.seconds = UNKNOWN
        self.candidate = 0.0
        self.last = 0

    def take(self, time: int) -> float:
        """Take the time of a sample later than the last one; return the interval."""
        if self.last:
            passed = float(time - self.last)
            if 0.8 * self.candidate <= passed <= 1.25 * self.candidate and passed < _LONGEST:
                near = 0.8 * self.seconds <= passed <= 1.25 * self.seconds
                self.seconds = self.seconds + 0.1 * (passed - self.seconds) if near else passed
            self.candidate = passed
        self.last = time
        return self.seconds

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self.seconds, self.candidate, self.last]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self.seconds, self.candidate, self.last = state[0], state[1], int(state[2])
