"""Fouling, drift, hand readings and electrodes that wear: delay of days, but no silence."""

from __future__ import annotations

import pytest

from gateway.detection.calibration import days_left
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from models.pond import Fault, FaultKind
from vuong.flags import Flag
from vuong.readings import Sample

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


def test_a_hand_reading_entered_hours_later_is_compared_with_the_probe_of_its_time() -> None:
    bench, rows = Bench(), readings()
    bench.run(rows[:96])
    time, values = rows[86]
    assert bench.slow.note_hand_reading(NODE, "do", time, values["do"] - 1.5)
    assert not bench.slow.note_hand_reading(NODE, "do", rows[20][0], 1.0)  # too long ago: the probe's reading is not kept
    assert not bench.slow.note_hand_reading(NODE, "do", rows[96][0] + DAY, 1.0)
    assert not bench.slow.note_hand_reading(BESIDE, "do", time, 1.0)


def test_what_was_noted_outlives_a_restart_and_may_be_noted_again() -> None:
    rows, ponds = readings(), Bench().ponds
    pipeline = Pipeline("g1", ponds, make_stages(ponds))

    def note(to: Pipeline) -> None:
        for time, values in (rows[180], rows[190]):
            assert to.note_hand_reading("p1", "do", time, values["do"] - 1.2)
        to.note_calibration(NODE, "ph", rows[188][0], [93.0, 2.0], [91.0, 2.0])

    for number, (time, values) in enumerate(rows[:192]):
        pipeline.take(Sample(NODE, 1, number, time, values), time)
    note(pipeline)
    once = pipeline.snapshots(192)
    note(pipeline)
    assert pipeline.snapshots(192) == once
    other = Pipeline("g1", ponds, make_stages(ponds))
    other.restore(once, ())
    assert other.snapshots(192) == once
    told = [other.take(Sample(NODE, 1, 192 + i, *row), row[0]) for i, row in enumerate(rows[192:290])]
    assert "detection.hand" in keys(told, "do")


def test_a_calibration_makes_earlier_hand_readings_void(bench: Bench) -> None:
    rows = readings()[16 * 96 : 18 * 96]
    bench.run(rows[:12])
    for time, values in (rows[2], rows[8]):
        assert bench.slow.note_hand_reading(NODE, "ph", time, values["ph"] + 0.8)
    assert bench.slow.off_hand(NODE, "ph") == pytest.approx(-0.8)
    bench.slow.note_calibration(NODE, "ph", rows[11][0], [], [])
    assert bench.slow.off_hand(NODE, "ph") is None


def test_an_electrode_that_will_soon_be_worn_is_told_once_a_day(bench: Bench) -> None:
    rows = readings()[16 * 96 : 19 * 96]
    for days, slope in ((60, 96.0), (30, 92.0), (0, 88.0)):
        bench.slow.note_calibration(NODE, "ph", rows[0][0] - days * DAY, [], [slope, 3.0])
    seen = bench.run(rows)
    told = [o for o in seen if keys([o], "ph") == {"detection.calibration"}]
    assert len(told) == 12  # three nights, an hour each
    reason = told[0].assessments["ph"].reason
    assert reason is not None
    assert reason.numbers["slope"] == "88"
    assert reason.numbers["days"] == "22"
    bench.slow.note_calibration(NODE, "ph", rows[-1][0], [88.0, 3.0], [99.0, 1.0])  # a new electrode
    assert "detection.calibration" not in keys(bench.run(readings()[19 * 96 : 21 * 96]), "ph")


def test_days_until_an_electrode_is_worn() -> None:
    falling = [(0, 99.0), (30 * DAY, 96.0), (60 * DAY, 93.0)]
    assert days_left(falling) == pytest.approx(80.0)
    assert days_left([*falling, (90 * DAY, 84.0)]) == 0.0
    assert days_left([(0, 95.0), (DAY, 95.0), (2 * DAY, 96.0)]) is None
    assert days_left(falling[:2]) is None
    assert days_left([]) is None
