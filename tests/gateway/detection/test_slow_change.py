"""Fouling, drift, hand readings and electrodes that wear: delay of days, but no silence."""

from __future__ import annotations

import pytest

from gateway.detection.calibration import days_left
from models.pond import Fault, FaultKind
from vuong.flags import Flag

from .conftest import BESIDE, DAY, NODE, START, Bench, flags, keys, readings


def test_a_fouled_oxygen_probe_with_no_ph_beside_it_is_told_within_days() -> None:
    fault = Fault(FaultKind.FOULING, "do", START + 18 * DAY, START + 24 * DAY, 0.5)
    bench = Bench()
    seen = bench.run([(t, {q: v for q, v in values.items() if q != "ph"}) for t, values in readings(24, 5, (fault,))])
    found = {k for o in seen[18 * 96 :] for k in keys([o], "do")}
    assert found & {"detection.fouling", "detection.drift"}


def test_a_drifting_ph_probe_is_told_within_a_week() -> None:
    fault = Fault(FaultKind.DRIFT, "ph", START + 18 * DAY, START + 30 * DAY, 0.25)
    seen = Bench().run(readings(28, 5, (fault,)))
    assert "detection.drift" in keys(seen[18 * 96 :], "ph")
    assert not {"detection.drift", "detection.fouling"} & keys(seen[: 18 * 96], "ph")


def test_what_the_pond_beside_does_too_is_no_drift() -> None:
    fault = Fault(FaultKind.DRIFT, "ph", START + 18 * DAY, START + 30 * DAY, 0.25)
    bench, rows = Bench(BESIDE), readings(28, 5, (fault,))
    told: set[str] = set()
    for time, values in rows:
        bench.take(time, values, node=BESIDE)
        told |= keys([bench.take(time, values)], "ph")
    assert "detection.drift" not in told


def test_hand_readings_that_differ_twice_are_told() -> None:
    bench, rows = Bench(), readings()
    bench.run(rows[: 5 * 96])
    for day in (5, 6):
        part = rows[day * 96 : (day + 1) * 96]
        bench.run(part[:40])
        time, values = part[40]
        bench.take(time, values)
        bench.slow.note_hand_reading(NODE, "do", time + 300, values["do"] - 1.2)
        bench.run(part[41:])
    seen = bench.run(rows[7 * 96 : 8 * 96])
    assert "detection.hand" in keys(seen, "do")
    assert flags(seen, "do")[0] is Flag.SUSPECT
    bench.slow.note_hand_reading(NODE, "do", 0, 1.0)  # nobody read the probe then
    assert bench.slow.off_hand(NODE, "do") == pytest.approx(1.2)
    assert bench.slow.off_hand(NODE, "ph") is None


def test_days_until_an_electrode_is_worn() -> None:
    falling = [(0, 99.0), (30 * DAY, 96.0), (60 * DAY, 93.0)]
    assert days_left(falling) == pytest.approx(80.0)
    assert days_left([*falling, (90 * DAY, 84.0)]) == 0.0
    assert days_left([(0, 95.0), (DAY, 95.0), (2 * DAY, 96.0)]) is None
    assert days_left(falling[:2]) is None
    assert days_left([]) is None
