"""Thinning keeps what matters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vuong.downsample import Point, downsample
from vuong.flags import Flag

_POINTS = st.lists(
    st.builds(Point, st.integers(0, 10**6), st.floats(-5, 50), st.sampled_from([Flag.GOOD, Flag.GOOD, Flag.SUSPECT, Flag.FAIL])),
    max_size=300,
).map(lambda points: sorted(points, key=lambda point: point.time))


@given(points=_POINTS, limit=st.integers(8, 60))
def test_few_points_in_order_with_the_extremes(points: list[Point], limit: int) -> None:
    thin = downsample(points, limit)
    assert len(thin) <= limit
    assert [point.time for point in thin] == sorted(point.time for point in thin)
    assert set(thin) <= set(points)
    if points:
        assert min(point.value for point in thin) == min(point.value for point in points)
        assert max(point.value for point in thin) == max(point.value for point in points)
        assert (thin[0].time, thin[-1].time) == (points[0].time, points[-1].time)
        assert {point.flag for point in thin} >= {point.flag for point in points} - {Flag.GOOD, Flag.SUSPECT}


def test_one_failed_reading_among_thousands_stays() -> None:
    points = [Point(time, 5.0, Flag.GOOD) for time in range(5000)]
    points[2500] = Point(2500, 5.0, Flag.FAIL)
    assert points[2500] in downsample(points, 100)


def test_all_points_stay_where_there_is_room() -> None:
    points = [Point(time, float(time), Flag.GOOD) for time in range(50)]
    assert downsample(points, 50) == points


def test_a_limit_that_cannot_be_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is 7"):
        downsample([], 7)
