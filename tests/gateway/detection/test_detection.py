"""What the detector finds, what it leaves alone, and that it never learns a fault."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detection import OxygenBalance
from vuong.flags import Flag

from .conftest import DAY, NODE, STEP, Bench, Rows, flags, keys, readings

BEGIN = 16 * 96  # row at which the bench has learned


def changed(rows: Rows, quantity: str, *values: float) -> Rows:
    """Return the rows with the quantity's first values replaced."""
    return [(t, {**v, quantity: values[i]} if i < len(values) else v) for i, (t, v) in enumerate(rows)]


def shifted(rows: Rows, quantity: str, by: float, first: int, last: int) -> Rows:
    return [(t, {**v, quantity: round(v[quantity] + by, 3)} if first <= i < last else v) for i, (t, v) in enumerate(rows)]


def test_a_healthy_pond_is_left_alone(bench: Bench) -> None:
    seen = bench.run(readings()[BEGIN:])
    suspect = sum(
        flag in {Flag.SUSPECT, Flag.FAIL} for name in ("temperature", "do", "ph", "salinity") for flag in flags(seen, name)
    )
    assert suspect <= 0.01 * 4 * len(seen)


@pytest.mark.parametrize(("quantity", "height"), [("do", 3.0), ("ph", 0.8), ("temperature", 3.0), ("salinity", -6.0)])
def test_a_spike_is_found_within_one_sample(bench: Bench, quantity: str, height: float) -> None:
    rows = readings()[BEGIN + 40 : BEGIN + 44]
    seen = bench.run([*readings()[BEGIN : BEGIN + 40], *changed(rows, quantity, rows[0][1][quantity] + height)])
    assert {Flag.SUSPECT, Flag.FAIL} & set(flags(seen[40:42], quantity))


def test_a_probe_that_drops_to_zero_is_found_at_once(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 8]
    seen = bench.run(changed(rows, "do", *[0.0] * 8))
    assert all(flag in {Flag.SUSPECT, Flag.FAIL} for flag in flags(seen, "do"))
    assert flags(seen, "ph")[0] is Flag.GOOD


def test_the_end_of_the_probes_range_needs_less_proof_than_a_step_elsewhere(bench: Bench) -> None:
    """Oxygen at 0.6 mg/L that reads 0 is within the usual steps; 0 and not something above it is what tells."""
    rows = [(t, {**v, "do": 0.9 - 0.01 * i}) for i, (t, v) in enumerate(readings()[BEGIN : BEGIN + 20])]
    bench.stages = [stage for stage in bench.stages if not isinstance(stage, OxygenBalance)]
    low = bench.copied()
    low.run(rows)
    other = low.copied()
    time, values = readings()[BEGIN + 20]
    dead = low.take(time, {**values, "do": 0.0}).assessments["do"]
    assert dead.flag is Flag.SUSPECT
    assert dead.reason is not None
    assert dead.reason.key == "detection.floor"
    assert other.take(time, {**values, "do": 0.05}).assessments["do"].score < 1.0


def test_an_excursion_needs_more_proof_while_another_quantity_makes_one_too(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 40]

    def seen(**heights: float) -> float:
        own = bench.copied()
        own.run(rows[:38])
        time, values = rows[38]
        own.take(time, {**values, **{q: values[q] + h for q, h in heights.items()}})
        last = own.take(*rows[39])
        node = own.detector.node(NODE)
        assert node is not None
        assert node.channels["temperature"].excursion > node.channels["temperature"].usual.levels[1]
        return last.assessments["temperature"].score

    assert seen(temperature=0.5) > 1.1 * seen(temperature=0.5, ph=0.3, do=1.0)


def test_a_probe_that_comes_back_after_half_a_year_is_doubted_for_a_day(bench: Bench) -> None:
    away = 200 * DAY
    rows = [(t + away, v) for t, v in readings()[BEGIN : BEGIN + 200]]
    cleaned = bench.copied()
    seen = bench.run(rows)
    doubted = [o for o in seen if keys([o], "ph") == {"detection.return"}]
    assert len(doubted) > 90
    assert doubted[-1].sample.time < rows[0][0] + DAY
    assert flags(seen, "ph")[100:].count(Flag.SUSPECT) <= 4
    reason = doubted[0].assessments["ph"].reason
    assert reason is not None
    assert reason.numbers["days"] == 200
    cleaned.take(*rows[0], maintenance=True)
    assert "detection.return" not in keys(cleaned.run(rows[1:]), "ph")


def test_noise_is_found_within_two_hours(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 8]
    noisy = [row[1]["ph"] + (0.25 if i % 2 else -0.25) for i, row in enumerate(rows)]
    assert Flag.SUSPECT in flags(bench.run(changed(rows, "ph", *noisy)), "ph")


def test_a_stuck_probe_is_found_within_four_hours_and_later_fails(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 96]
    seen = bench.run([(t, {**v, "do": rows[0][1]["do"]}) for t, v in rows])
    assert {Flag.SUSPECT, Flag.FAIL} & set(flags(seen[:17], "do"))
    assert "detection.stuck" in keys(seen[:17], "do")
    assert flags(seen, "do")[-1] is Flag.FAIL


def test_a_fault_is_never_learned(bench: Bench) -> None:
    """The forecast of the healthy level after a fault is the one of a detector that saw no fault."""
    rows = readings()[BEGIN : BEGIN + 8]
    healthy = bench.copied()
    healthy.run(rows)
    bench.run(shifted(rows, "do", 4.0, 1, 6))
    difference = bench.detector.forecast(NODE, "do"), healthy.detector.forecast(NODE, "do")
    assert difference[0] == pytest.approx(difference[1], abs=0.4)


def test_noise_and_thresholds_do_not_grow_with_a_fault(bench: Bench) -> None:
    rows = readings()[BEGIN:]
    before = bench.copied()
    bench.run([(t, {**v, "do": 0.0 if i % 7 else 9.0}) for i, (t, v) in enumerate(rows[: 2 * 96])])
    node, fresh = bench.detector.node(NODE), before.detector.node(NODE)
    assert node is not None
    assert fresh is not None
    assert node.channels["do"].long_noise <= 1.05 * fresh.channels["do"].long_noise
    assert node.channels["do"].usual.levels[0] <= 1.35 * fresh.channels["do"].usual.levels[0]


def test_a_level_that_stays_is_accepted_after_hours_of_good_behaviour(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 192]
    seen = bench.run(shifted(rows, "salinity", 6.0, 4, 192))
    found = flags(seen, "salinity")
    assert found[4] is Flag.SUSPECT
    assert found[-1] is Flag.GOOD
    assert "detection.level" in keys(seen, "salinity")


def test_several_quantities_at_once_are_told_as_a_movement_of_the_water(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 6]
    moved = [
        (t, {**v, "do": v["do"] - 3.0, "ph": v["ph"] - 0.7, "temperature": v["temperature"] - 2.5}) if i > 2 else (t, v)
        for i, (t, v) in enumerate(rows)
    ]
    seen = bench.run(moved)
    assert "detection.together" in keys(seen, "do")
    alone = Bench()
    alone.run(readings()[:BEGIN])
    assert "detection.together" not in keys(alone.run(shifted(rows, "do", -3.0, 3, 6)), "do")


def test_probes_out_of_the_water_count_as_maintenance(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 12]
    dry = [
        (t, {"temperature": v["temperature"] + 6, "do": 8.2, "ph": v["ph"], "salinity": 0.0}) if 3 <= i < 6 else (t, v)
        for i, (t, v) in enumerate(rows)
    ]
    seen = bench.run(dry)
    assert [o.maintenance for o in seen] == [False] * 3 + [True] * 3 + [False] * 6
    assert "detection.out_of_water" in keys(seen[3:6], "salinity")


def test_maintenance_raises_nothing_and_teaches_nothing(bench: Bench) -> None:
    rows = readings()[BEGIN : BEGIN + 20]
    known = bench.copied()
    for i, (t, v) in enumerate(rows[:10]):
        seen = bench.take(t, {**v, "do": 0.0 if i % 2 else 12.0}, maintenance=True)
        assert not {a.flag for a in seen.assessments.values()} & {Flag.SUSPECT, Flag.FAIL}
        assert seen.assessments["do"].reason is not None
    own, other = bench.detector.node(NODE), known.detector.node(NODE)
    assert own is not None
    assert other is not None
    assert own.channels["do"].weights == other.channels["do"].weights
    assert own.channels["do"].usual.levels == other.channels["do"].usual.levels
    after = bench.run(shifted(rows, "do", -1.0, 10, 20)[10:])  # calibrated: the level is taken as it comes
    assert set(flags(after, "do")) == {Flag.GOOD}


@given(cut=st.integers(1, 6 * 96 - 1))
@settings(max_examples=8, deadline=None)
def test_a_restart_at_any_moment_changes_no_flag(cut: int) -> None:
    rows = shifted(readings()[: 6 * 96], "ph", 0.9, 400, 420)
    straight, broken = Bench(), Bench()
    first = straight.run(rows)
    second = broken.run(rows[:cut])
    second += broken.restarted().run(rows[cut:])
    for a, b in zip(first, second, strict=True):
        assert a.assessments == b.assessments
        assert a.maintenance == b.maintenance


@given(
    values=st.lists(
        st.dictionaries(
            st.sampled_from(("do", "ph", "temperature", "turbidity", "depth")), st.floats(allow_nan=True, allow_infinity=True)
        ),
        max_size=40,
    ),
    steps=st.lists(st.integers(-5000, 500_000), min_size=40, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_garbage_and_times_that_jump_are_survived(values: list[dict[str, float]], steps: list[int]) -> None:
    bench, time = Bench(), 1_800_000_000
    for row, step in zip(values, steps, strict=False):
        time = max(1, time + step)
        seen = bench.take(time, row)
        assert set(seen.assessments) == set(row)
        assert all(math.isfinite(a.score) for a in seen.assessments.values())
    assert bench.restarted().detector.snapshot(NODE) == bench.detector.snapshot(NODE)


def test_a_backlog_that_comes_late_gets_flags_and_changes_nothing(bench: Bench) -> None:
    rows = readings()
    before = [s.snapshot(NODE) for s in bench.stages]
    late = bench.take(rows[100][0], {**rows[100][1], "temperature": 99.0})
    assert late.assessments["temperature"].flag is Flag.FAIL
    assert late.assessments["do"].flag is Flag.GOOD
    assert [s.snapshot(NODE) for s in bench.stages] == before


def test_the_same_time_twice_is_judged_once(bench: Bench) -> None:
    row = readings()[BEGIN]
    bench.take(*row)
    before = [s.snapshot(NODE) for s in bench.stages]
    bench.take(*row)
    assert [s.snapshot(NODE) for s in bench.stages] == before


def test_after_a_long_gap_the_level_is_taken_as_it_comes(bench: Bench) -> None:
    rows = [(t + 3 * DAY, {**v, "salinity": v["salinity"] + 5.0}) for t, v in readings()[BEGIN : BEGIN + 20]]
    assert set(flags(bench.run(rows), "salinity")) == {Flag.GOOD}


def test_a_faster_node_is_judged_by_the_same_constants() -> None:
    """A node that samples every five minutes: the same pond, the same jump."""
    rows = readings()[:900]
    fine: Rows = []
    for (t, v), (_, w) in pairwise(rows):
        fine += [(t + k * STEP // 3, {q: round(v[q] + (w[q] - v[q]) * k / 3, 2) for q in v}) for k in range(3)]
    bench = Bench()
    seen = bench.run(fine[:-30])
    late = seen[len(seen) // 2 :]
    assert sum(f is not Flag.GOOD for f in flags(late, "do")) < 0.02 * len(late)
    t, v = fine[-30]
    assert bench.take(t, {**v, "do": v["do"] + 5.0}).assessments["do"].flag in {Flag.SUSPECT, Flag.FAIL}


def test_what_is_remembered_of_a_node_is_small(bench: Bench) -> None:
    assert len(bench.detector.snapshot(NODE)) < 4096
    assert sum(len(s.snapshot(NODE)) for s in bench.stages) < 20_000
