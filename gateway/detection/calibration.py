"""When an electrode will be worn out, from its slope at each calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.derived.slope import theil_sen

WORN: Final = 85.0  # % of the Nernst slope below which an electrode is replaced
SLOPES: Final = frozenset({"ph"})  # quantities whose first number of calibration is the electrode's slope in % of Nernst's
DAY: Final = 86400.0


def days_left(slopes: Sequence[tuple[int, float]], worn: float = WORN) -> float | None:
    """Return the days until the slope reaches `worn`; 0 where it has, ``None`` where it does not fall.

    Parameters
    ----------
    slopes : ``(UTC seconds, slope in % of Nernst's)`` of each calibration, oldest first; three at least say something
    worn : %

    Examples
    --------
    >>> round(days_left([(0, 99.0), (30 * 86400, 96.0), (60 * 86400, 93.0)]))
    80
    """
    if not slopes:
        return None
    if slopes[-1][1] <= worn:
        return 0.0
    if len(slopes) < 3:
        return None
    trend = theil_sen(slopes).middle * DAY
    return (slopes[-1][1] - worn) / -trend if trend < 0.0 else None
