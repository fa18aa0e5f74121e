"""Ammonia out of a total that somebody measured by hand: published fraction, safe pH, age, restart; and its alarm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms.engine import AlarmEngine
from gateway.derived.ammonia import VALID, Ammonia, HandReading
from gateway.observation import Assessment, Observation, Pond
from vuong.alarm_text import render
from vuong.flags import Flag
from vuong.limits import Limits
from vuong.readings import Sample
from vuong.water.ammonia import NH3_PER_N

NODE = "00124b0000000001"
START = 1_763_614_800
POND = Pond("p1", "Ao 1", Limits())


def seen(stage: Ammonia, at: int = START, **values: float) -> Observation:
    observation = Observation(Sample(NODE, 1, 1, at, values), POND, at, assessments={n: Assessment(Flag.GOOD) for n in values})
    stage.update(observation)
    return observation


def test_the_published_fraction_and_the_safe_ph() -> None:
    stage = Ammonia()
    stage.enter(HandReading("p1", "tan", START, 2.0, "sau"))
    derived = seen(stage, ph=8.0, temperature=25.0, salinity=0.0).derived
    assert derived["ammonia"] == pytest.approx(2.0 * NH3_PER_N * 0.0539, rel=0.01)  # Clegg & Whitfield 1995
    safe = float(derived["ammonia_safe_ph"])
    at_safe = seen(stage, START + 60, ph=safe, temperature=25.0, salinity=0.0).derived
    assert at_safe["ammonia"] == pytest.approx(POND.limits.ammonia_warning)


def test_nothing_without_a_measurement_or_with_an_old_one_or_of_another_pond() -> None:
    stage = Ammonia()
    stage.enter(HandReading("p2", "tan", START, 2.0))
    stage.enter(HandReading("p1", "alkalinity", START, 120.0))
    assert seen(stage, ph=8.0, temperature=25.0, salinity=10.0).derived == {}
    stage.enter(HandReading("p1", "tan", START, 2.0))
    assert "ammonia" in seen(stage, START + VALID, ph=8.0, temperature=25.0, salinity=10.0).derived
    assert seen(stage, START + VALID + 1, ph=8.0, temperature=25.0, salinity=10.0).derived == {}
    assert seen(stage, START, ph=8.0, temperature=45.0, salinity=10.0).derived == {}, "water that the formula was not made for"


@given(order=st.permutations(range(4)))
def test_the_newest_counts_in_whatever_order_they_come(order: list[int]) -> None:
    stage = Ammonia()
    for number in order:
        stage.enter(HandReading("p1", "tan", START - 3600 + number, float(number)))
    assert seen(stage, ph=8.0, temperature=25.0, salinity=10.0).derived["tan_time"] == START - 3597


def test_the_alarm_says_until_which_ph_it_is_safe() -> None:
    stage, engine = Ammonia(), AlarmEngine("gw-1", {NODE: POND})
    stage.enter(HandReading("p1", "tan", START, 2.0))
    for minute in range(0, 46, 5):
        engine.update(seen(stage, START + minute * 60, ph=8.4, temperature=30.0, salinity=10.0))
    alarms = [a for a in engine.active(NODE) if a["kind"].startswith("ammonia")]
    (alarm,) = alarms
    said = render(alarm["kind"], alarm["quantity"], alarm["numbers"], raised=alarm["raised"], pond="Ao 1", language="vi")
    assert "NH3" in said.title
    assert f"pH dưới {float(alarm['numbers']['safe']):.2f}".replace(".", ",") in said.advice


def test_it_remembers_the_water_over_a_restart() -> None:
    one, other = Ammonia(), Ammonia()
    for stage in (one, other):
        stage.enter(HandReading("p1", "tan", START, 2.0))
    seen(one, temperature=25.0, salinity=10.0)
    other.restore(NODE, one.snapshot(NODE))
    assert seen(other, START + 60, ph=8.0).derived == seen(one, START + 60, ph=8.0).derived != {}
