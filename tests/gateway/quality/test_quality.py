"""What each test of quality control says, and the stage that runs them."""

from __future__ import annotations

import math

import pytest

from gateway.observation import Observation, Pond
from gateway.quality import QualityControl, syntax
from gateway.quality.attenuated_signal import AttenuatedSignal
from gateway.quality.climatology import Climatology
from gateway.quality.flat_line import FlatLine
from gateway.quality.gap import Gap
from gateway.quality.interval import UNKNOWN, Interval
from gateway.quality.multivariate import Multivariate
from gateway.quality.neighbour import Neighbour
from models.pond.process import conductivity
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.readings import Sample

NODE, BESIDE, BEGIN, STEP, DAY = "a" * 16, "b" * 16, 1_795_107_600, 900, 86_400


def make_pond(name: str, *neighbours: str) -> Pond:
    return Pond(name, name, limits_of("vannamei"), neighbours)


def take(stage: QualityControl, time: int, values: dict[str, float], node: str = NODE, arrived: int | None = None) -> Observation:
    observation = Observation(Sample(node, 1, 1, time, values), make_pond("p1", "p2"), time if arrived is None else arrived)
    stage.update(observation)
    return observation


@pytest.mark.parametrize(
    ("quantity", "value", "ahead", "flag"),
    [
        ("do", 6.0, 0, Flag.GOOD),
        ("do", math.nan, 0, Flag.MISSING),
        ("do", math.inf, 0, Flag.FAIL),
        ("do", "6.0", 0, Flag.FAIL),
        ("do", True, 0, Flag.FAIL),
        ("chlorine", 6.0, 0, Flag.FAIL),
        ("do", 6.0, 7200, Flag.FAIL),
    ],
)
def test_syntax(quantity: str, value: object, ahead: int, flag: Flag) -> None:
    assert syntax.check(quantity, value, BEGIN + ahead, BEGIN) is flag


def test_gap_counts_what_did_not_come() -> None:
    gap = Gap()
    assert gap.check(BEGIN, 6.0, STEP) is Flag.GOOD
    assert gap.check(BEGIN + STEP, math.nan, STEP) is Flag.MISSING
    gap.check(BEGIN + 5 * STEP, 6.0, STEP)
    assert gap.missed == 4


def test_an_interval_is_set_by_two_alike_and_not_by_a_gap() -> None:
    interval = Interval()
    assert interval.take(BEGIN) == UNKNOWN
    for i in range(1, 5):
        interval.take(BEGIN + 300 * i)
    assert interval.seconds == 300.0
    interval.take(BEGIN + 90_000)
    assert interval.seconds == 300.0


def test_flat_line_ends_when_the_value_moves() -> None:
    flat = FlatLine(0.05, 3600, 7200)
    found = [flat.check(BEGIN + STEP * i, 6.0) for i in range(9)]
    assert found == [Flag.GOOD] * 4 + [Flag.SUSPECT] * 4 + [Flag.FAIL]
    assert flat.check(BEGIN + STEP * 9, 6.1) is Flag.GOOD
    assert flat.seconds(BEGIN + STEP * 9) == 0


def test_attenuated_signal_needs_a_whole_window_without_a_gap() -> None:
    test = AttenuatedSignal(0.3, 0.1, DAY)
    assert {test.check(BEGIN + STEP * i, 6.0 + 0.1 * (i % 3)) for i in range(96)} == {Flag.NOT_EVALUATED}
    assert test.check(BEGIN + STEP * 96, 6.0) is Flag.SUSPECT
    assert test.check(BEGIN + STEP * 96 + DAY, 6.0) is Flag.NOT_EVALUATED


def test_climatology_knows_the_hour() -> None:
    """Six at dawn and twelve at noon are both usual; twelve at dawn is not."""
    test = Climatology(0.05)
    for day in range(20):
        for _ in range(4):
            test.check(5, 6.0 + 0.1 * (day % 3), 0.25, learn=True)
            test.check(12, 12.0 - 0.1 * (day % 3), 0.25, learn=True)
    assert test.check(12, 12.0, 0.25, learn=False) is Flag.GOOD
    assert test.check(5, 12.0, 0.25, learn=False) is Flag.SUSPECT
    assert test.expected == pytest.approx(6.1, abs=0.1)
    assert test.check(20, 12.0, 0.25, learn=False) is Flag.NOT_EVALUATED


@pytest.mark.parametrize("reduced", [True, False])
def test_salinity_and_conductivity_that_contradict_each_other(reduced: bool) -> None:
    test = Multivariate()
    flags = []
    for i in range(300):
        temperature = 27.0 + 3.0 * math.sin(i / 15.3)
        salinity = 15.0 + 4.0 * math.sin(i / 40.0)
        sent = round(conductivity(salinity, 25.0 if reduced else temperature), 2)
        if i >= 250:
            salinity += 0.8
        flags.append(test.check(BEGIN + STEP * i, round(salinity, 1), sent, temperature))
    assert set(flags[:96]) == {Flag.NOT_EVALUATED}
    assert set(flags[110:250]) == {Flag.GOOD}
    assert set(flags[250:]) == {Flag.SUSPECT}


def test_a_new_difference_of_the_salts_is_learned_after_two_weeks() -> None:
    test, flag = Multivariate(), Flag.GOOD
    for i in range(17 * 96):
        flag = test.check(BEGIN + STEP * i, 15.0 + (2.0 if i > 96 else 0.0), conductivity(15.0, 25.0), 27.0)
    assert flag is Flag.GOOD


def test_a_probe_that_leaves_its_neighbours() -> None:
    test = Neighbour(0.1)
    for i in range(400):
        test.check(6.0 + math.sin(i / 15), 5.0 + math.sin(i / 15) + 0.05 * (i % 3))
    assert test.check(7.0, 6.0) is Flag.GOOD
    assert test.check(3.0, 6.0) is Flag.SUSPECT


def test_the_worst_flag_wins_and_its_reason_is_kept() -> None:
    stage = QualityControl({NODE: make_pond("p1")})
    seen = take(stage, BEGIN, {"do": 31.0, "ph": 8.0, "temperature": math.nan})
    assert {q: a.flag for q, a in seen.assessments.items()} == {"do": Flag.FAIL, "ph": Flag.GOOD, "temperature": Flag.MISSING}
    reason = seen.assessments["do"].reason
    assert reason is not None
    assert (reason.key, reason.numbers) == ("physical_range", {"value": 31.0, "low": 0.0, "high": 30.0})


def test_a_backlog_is_judged_without_its_neighbours_and_moves_nothing() -> None:
    stage = QualityControl({NODE: make_pond("p1")})
    for i in range(20):
        take(stage, BEGIN + STEP * i, {"do": 6.0})
    before = stage.snapshot(NODE)
    assert take(stage, BEGIN + 30, {"do": 29.0}).assessments["do"].flag is Flag.GOOD
    assert take(stage, BEGIN + 30, {"do": -1.0}).assessments["do"].flag is Flag.FAIL
    assert stage.snapshot(NODE) == before


def test_a_restart_forgets_nothing() -> None:
    ponds = {NODE: make_pond("p1", "p2"), BESIDE: make_pond("p2", "p1")}
    straight, first = QualityControl(ponds), QualityControl(ponds)
    second = QualityControl(ponds)
    for i in range(600):
        if i == 371:
            for node in ponds:
                second.restore(node, first.snapshot(node))
        broken = first if i < 371 else second
        value = 6.0 if i > 400 else round(6.0 + math.sin(i / 15), 2)
        salts = {
            "salinity": 15.0,
            "conductivity": round(conductivity(15.0 + (1.0 if i > 500 else 0.0), 25.0), 2),
            "temperature": 27.0,
        }
        for stage in (straight, broken):
            take(stage, BEGIN + STEP * i, {"do": value + 0.5}, BESIDE)
        one, other = (take(stage, BEGIN + STEP * i, {"do": value, **salts}) for stage in (straight, broken))
        assert one.assessments == other.assessments
    assert straight.snapshot(NODE) == second.snapshot(NODE)


def test_maintenance_is_not_learned_from() -> None:
    stage = QualityControl({NODE: make_pond("p1")})
    take(stage, BEGIN, {"do": 6.0})
    before = stage.snapshot(NODE)
    observation = Observation(Sample(NODE, 1, 2, BEGIN + STEP, {"do": 0.1}), make_pond("p1"), BEGIN + STEP, maintenance=True)
    stage.update(observation)
    assert stage.snapshot(NODE) == before
