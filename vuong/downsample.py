"""Fewer points that still show what happened: no low, no high and no flag disappears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from vuong.flags import Flag, worst


class Point(NamedTuple):
    """One value of a series: UTC seconds, the value, QARTOD's flag."""

    time: int
    value: float
    flag: Flag


def downsample(points: Sequence[Point], limit: int) -> list[Point]:
    """Return at most `limit` of the points, in order, with the extremes kept.

    The span is cut into equal stretches of time; each gives its lowest, its highest and its worst flagged point (min–max
    decimation). The first and the last point stay.

    Parameters
    ----------
    points : in order of time
    limit : at least 8

    Raises
    ------
    ValueError
        if `limit` is below 8
    """
    if limit < 8:
        raise ValueError(f"limit is {limit}; give at least 8")
    if len(points) <= limit:
        return list(points)
    stretches = (limit - 2) // 3
    start, span = points[0].time, points[-1].time - points[0].time + 1
    kept = {0, len(points) - 1}
    first = 0
    while first < len(points):
        stretch = (points[first].time - start) * stretches // span
        last = first
        while last < len(points) and (points[last].time - start) * stretches // span == stretch:
            last += 1
        rows = range(first, last)
        kept.add(min(rows, key=lambda row: points[row].value))
        kept.add(max(rows, key=lambda row: points[row].value))
        flagged = first
        for row in rows:
            if points[row].flag != points[flagged].flag and worst(points[row].flag, points[flagged].flag) is points[row].flag:
                flagged = row
        if points[flagged].flag in {Flag.SUSPECT, Flag.FAIL}:
            kept.add(flagged)
        first = last
    return [points[row] for row in sorted(kept)]
