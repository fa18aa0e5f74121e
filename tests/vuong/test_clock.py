"""Clocks: scaled, manual, and their text form."""

from __future__ import annotations

import time

import pytest

from vuong.clock import ManualClock, ScaledClock, SystemClock, parse


async def test_a_scaled_clock_runs_faster_and_sleeps_shorter() -> None:
    clock = ScaledClock(anchor=time.time(), start=1_000_000, factor=1000)
    before, real = clock.now(), time.perf_counter()
    await clock.sleep(100)
    assert time.perf_counter() - real < 5
    assert clock.now() - before >= 99
    await clock.sleep(-5)


def test_a_scaled_clock_survives_its_text() -> None:
    clock = ScaledClock(anchor=1_700_000_000.25, start=1_795_000_000.5, factor=120.0)
    other = parse(clock.spec())
    assert isinstance(other, ScaledClock)
    assert other.spec() == clock.spec()
    assert other.now() == pytest.approx(clock.now(), abs=60)


def test_no_text_is_the_system_clock() -> None:
    clock = parse(None)
    assert isinstance(clock, SystemClock)
    assert clock.now() == pytest.approx(time.time(), abs=5)


@pytest.mark.parametrize(
    ("spec", "named"), [("fast", "three numbers"), ("1,2", "three numbers"), ("1,2,x", "three numbers"), ("1,2,0", "above 0")]
)
def test_a_wrong_text_is_named(spec: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse(spec)


async def test_a_manual_clock_stands_until_it_is_set() -> None:
    clock = ManualClock(50)
    await clock.sleep(10)
    assert clock.now() == 60
    clock.set(5)
    assert clock.now() == 5
