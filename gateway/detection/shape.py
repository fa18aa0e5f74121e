"""The shape of a channel's last values: did they leave and come back, do they go to and fro."""

from __future__ import annotations

from math import sqrt
from typing import Final

from gateway.detection import settings as s
from gateway.detection.remembered import Remembered

_BACK: Final = 8  # steps of which `Shape.zigzag` is the mean


class Shape(Remembered):
    """The last five values in the channel's scale, and the turns between them.

    Attributes
    ----------
    height : how far the last one to four values lay off the straight line from the value before them to the latest one
    above : whether they lay above it
    stepped : the latest step, signed
    zigzag : what the last eight steps turned back on themselves. Water moves on as it moved before; noise does not.
        The mean is taken of roots and squared, so that one high turn, a spike, does not make a burst
    """

    __slots__ = ("above", "h1", "h2", "h3", "h4", "h5", "height", "stepped", "total", "turns", "zigzag")

    def __init__(self) -> None:
        self.h1 = self.h2 = self.h3 = self.h4 = self.h5 = 0.0
        self.height = self.stepped = self.zigzag = 0.0
        self.above = False
        self.turns = [0.0] * _BACK
        self.total = 0.0

    def restart(self, value: float) -> None:
        """Take the level anew."""
        self.h1 = self.h2 = self.h3 = self.h4 = self.h5 = value
        self.stepped = 0.0
        self.calm()

    def calm(self) -> None:
        """Forget the turns."""
        self.turns[:] = [0.0] * _BACK
        self.total = 0.0

    def take(self, value: float, noise: float) -> None:
        """Take the next value.

        Parameters
        ----------
        value : in the channel's scale
        noise : of the channel, by which turns are measured
        """
        h1, h2, h3, h4, h5 = self.h1, self.h2, self.h3, self.h4, self.h5
        d1 = h1 - (value + h2) * 0.5
        up = d1 > 0
        moved = value - h2
        size = (d1 if up else -d1) - 0.5 * (moved if moved > 0 else -moved)
        best = size if size > 0 else 0.0
        # two values out
        d1, d2 = h1 - (2.0 * value + h3) / 3.0, h2 - (value + 2.0 * h3) / 3.0
        if (d1 > 0) == (d2 > 0):
            size = min(abs(d1), abs(d2)) - 0.5 * abs(value - h3)
            if size > best:
                best, up = size, d1 > 0
        # three
        d1, d2, d3 = h1 - (3.0 * value + h4) * 0.25, h2 - (value + h4) * 0.5, h3 - (value + 3.0 * h4) * 0.25
        if (d1 > 0) == (d2 > 0) == (d3 > 0):
            size = min(abs(d1), abs(d2), abs(d3)) - 0.5 * abs(value - h4)
            if size > best:
                best, up = size, d1 > 0
        # four
        d1, d2 = h1 - (4.0 * value + h5) * 0.2, h2 - (3.0 * value + 2.0 * h5) * 0.2
        d3, d4 = h3 - (2.0 * value + 3.0 * h5) * 0.2, h4 - (value + 4.0 * h5) * 0.2
        if (d1 > 0) == (d2 > 0) == (d3 > 0) == (d4 > 0):
            size = min(abs(d1), abs(d2), abs(d3), abs(d4)) - 0.5 * abs(value - h5)
            if size > best:
                best, up = size, d1 > 0
        self.height, self.above = best, up
        before, stepped = h1 - h2, value - h1
        turn = 0.0
        if before * stepped < 0.0:
            a, b = before if before > 0 else -before, stepped if stepped > 0 else -stepped
            turn = sqrt((a if a < b else b) / noise)
        turns = self.turns
        turns.append(turn)
        self.total += turn - turns.pop(0)
        mean = self.total / _BACK
        self.zigzag = mean * mean if mean > 0.0 else 0.0
        self.stepped = stepped
        self.h5, self.h4, self.h3, self.h2, self.h1 = h4, h3, h2, h1, value

    def impossible(self, limit: float) -> bool:
        """Return whether no water moves like that; `limit` is the channel's entry in `settings.IMPLAUSIBLE`."""
        return self.height > s.EXCURSION_SHARE * limit or abs(self.stepped) > s.STEP_SHARE * limit
