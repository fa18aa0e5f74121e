"""Daily changes of salinity and pH, and the rule of rain and cold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.derived.daily_change import DailyChange
from gateway.derived.hours import Hours
from gateway.observation import Assessment, Observation, Pond
from vuong.flags import Flag
from vuong.limits import Limits
from vuong.readings import Sample

NODE = "00124b0000000001"
START = 1_763_614_800
HOUR = 3600
POND = Pond("p1", "Ao 1", Limits())


class Water:
    def __init__(self) -> None:
        self.stage = DailyChange()

    def __call__(self, hour: float, flag: Flag = Flag.GOOD, **values: float) -> dict[str, float | int | str]:
        at = START + round(hour * HOUR)
        observation = Observation(Sample(NODE, 1, 1, at, values), POND, at, assessments={n: Assessment(flag) for n in values})
        self.stage.update(observation)
        return observation.derived


@given(values=st.lists(st.tuples(st.integers(0, 7200), st.floats(0, 50)), min_size=1, max_size=80))
def test_extremes_are_those_of_the_hourly_means_of_a_day(values: list[tuple[int, float]]) -> None:
    hours, at, kept = Hours(), START, dict[int, list[float]]()
    for gap, value in values:
        at += gap
        assert hours.add(at, value)
        kept.setdefault(at // HOUR, []).append(value)
        means = [sum(v) / len(v) for hour, v in kept.items() if hour > at // HOUR - 24]
        assert hours.low() == pytest.approx(min(means))
        assert hours.high() == pytest.approx(max(means))
        assert len(hours.entries) <= 25


def test_rise_fall_and_rate_of_salinity() -> None:
    water = Water()
    for hour in range(12):
        derived = water(hour, salinity=12.0)
    assert derived["salinity_rise"] == derived["salinity_fall"] == 0
    for hour in range(12, 18):
        derived = water(hour, salinity=12.0 - (hour - 11) * 0.5)
    assert derived["salinity_fall"] == pytest.approx(3.0)
    assert derived["salinity_rate"] == pytest.approx(-0.5)
    assert "salinity_fall" not in water(60, salinity=9.0), "a day without readings: nothing to compare with"


def test_daily_swing_of_ph() -> None:
    water = Water()
    for hour, ph in enumerate([7.8, 7.7, 7.6, 8.0, 8.4, 8.3]):
        derived = water(hour, ph=ph)
    assert derived["ph_swing"] == pytest.approx(0.8)
    assert "ph_swing" not in water(7, Flag.FAIL, ph=12.0)


@pytest.mark.parametrize(
    ("cooling", "fall", "base", "risk"),
    [(4.0, 3.0, 30.0, 4.0), (4.0, 0.5, 30.0, 0.0), (1.0, 3.0, 30.0, 1.0), (4.0, 3.0, 34.0, 0.0)],
    ids=["rain and cold", "cold without rain", "rain, hardly cooler", "still too warm for the virus"],
)
def test_white_spot_risk_wants_rain_and_cold(cooling: float, fall: float, base: float, risk: float) -> None:
    water = Water()
    for hour in range(48):
        day = hour >= 24
        derived = water(hour, temperature=base - (cooling if day else 0), salinity=12.0 - (fall if day else 0))
        if hour == 30:
            late = derived
    assert late["white_spot"] == pytest.approx(risk)


def test_an_old_sample_out_of_the_backlog_says_nothing() -> None:
    water = Water()
    for hour in range(5):
        water(hour, salinity=12.0)
    assert water(2, salinity=3.0) == {}


def test_it_remembers_over_a_restart() -> None:
    one, other = Water(), Water()
    for hour in range(30):
        one(hour, salinity=12.0 + hour / 10, ph=8.0, temperature=29.0)
    other.stage.restore(NODE, one.stage.snapshot(NODE))
    assert other(30, salinity=9.0, ph=8.2, temperature=25.0) == one(30, salinity=9.0, ph=8.2, temperature=25.0)
