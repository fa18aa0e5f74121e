"""QARTOD test 1, gap: what was due and did not come."""

from __future__ import annotations

from vuong.flags import Flag


class Gap:
    """Counts the samples that a channel owes; a reading without a number is missing too.

    Parameters
    ----------
    patience : intervals that may pass before a reading counts as missing

    Attributes
    ----------
    missed : readings that did not come between the last two
    """

    __slots__ = ("_last", "_patience", "missed")

    def __init__(self, patience: float = 1.5) -> None:
        self._patience = patience
        self._last = 0
        self.missed = 0

    def check(self, time: int, value: float, interval: float) -> Flag:
        """Return missing for a value that is no number; good otherwise.

        Parameters
        ----------
        time : UTC seconds
        value : the reading
        interval : seconds between two samples of the node
        """
        if value != value:  # NaN  # noqa: PLR0124
            return Flag.MISSING
        late = (time - self._last) / interval if self._last else 1.0
        self.missed = round(late) - 1 if late > self._patience else 0
        self._last = time
        return Flag.GOOD

    def state(self) -> list[float]:
        """Return what is remembered."""
        return [self._last]

    def restore(self, state: list[float]) -> None:
        """Take back what `state` returned."""
        self._last = int(state[0])
