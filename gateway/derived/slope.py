"""A robust slope through a few points: Theil (1950) and Sen (1968), J. Am. Stat. Assoc. 63:1379–1389, with Sen's interval from Kendall's tau."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import combinations
from typing import Final, NamedTuple

_Z90: Final = 1.645  # two-sided 90 %


class Slope(NamedTuple):
    """A slope in units a second, with the bounds of its 90 % interval."""

    middle: float
    low: float
    high: float


def theil_sen(points: Collection[tuple[float, float]]) -> Slope:
    """Return the median of the slopes between all pairs of ``(time, value)``.

    Parameters
    ----------
    points : at least two, at different times, in rising order

    Examples
    --------
    >>> theil_sen([(0, 0.0), (1, 2.0), (2, 4.0), (3, 99.0), (4, 8.0)]).middle
    2.0
    """
    slopes = sorted((w - v) / (u - t) for (t, v), (u, w) in combinations(points, 2))
    pairs, n = len(slopes), len(points)
    spread = _Z90 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = math.floor((pairs - spread) / 2), math.ceil((pairs + spread) / 2)
    half = pairs // 2
    middle = slopes[half] if pairs % 2 else (slopes[half - 1] + slopes[half]) / 2
    return Slope(middle, slopes[max(0, low)], slopes[min(pairs - 1, high)])
