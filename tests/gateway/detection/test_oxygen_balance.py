"""An overgrown oxygen probe is told by the pH beside it; a true crash, and a pH probe that goes wrong, are not laid on it."""

from __future__ import annotations

import pytest

from gateway.detection import OxygenBalance
from gateway.observation import Pond as KnownPond
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from models.pond import Fault, FaultKind, Pond, Probes, Scenario, scenario, shrimp_pond
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.readings import Sample

from .conftest import DAY, NODE, QUANTITIES, START, STEP, Bench, Rows, flags, keys, readings

ONSET = START + 8 * DAY + 1800
REASON = "detection.oxygen_balance"


def told(scene: Scenario, seed: int, begin: int = START, days: float = 10.5) -> Rows:
    pond, probes = Pond(seed, begin, shrimp_pond(), scene), Probes(QUANTITIES, seed, scene.faults)
    return [(t, probes.read(pond.step_to(t), t)) for t in range(begin, begin + int(days * DAY), STEP)]


def first_hours(rows: Rows, onset: int) -> float | None:
    """Return the hours from the onset to the first suspect reading of oxygen."""
    for observation in Bench().run(rows):
        if REASON in keys([observation], "do"):
            return float(observation.sample.time - onset) / 3600.0
    return None


@pytest.mark.parametrize(("rate", "within"), [(12.0, 3.0), (3.0, 9.0), (1.0, 18.0), (0.35, 50.0)])
def test_a_fouled_probe_is_told_the_sooner_the_faster_it_grows(rate: float, within: float) -> None:
    hours = first_hours(told(scenario.fouled_probe(ONSET, a_day=rate), 2), ONSET)
    assert hours is not None
    assert 0 < hours <= within


@pytest.mark.slow
@pytest.mark.parametrize("month", [0, 3, 6, 9])
def test_in_every_season_fouling_is_told_and_a_crash_is_not_blamed_on_the_probe(month: int) -> None:
    begin = START + month * 30 * DAY
    onset = begin + 8 * DAY + 1800
    hours = first_hours(told(scenario.fouled_probe(onset, a_day=3.0), month + 1, begin), onset)
    assert hours is not None
    assert 0 < hours <= 12
    assert first_hours(told(scenario.oxygen_crash(onset), month + 1, begin), onset) is None


def test_a_true_crash_is_not_blamed_on_the_probe() -> None:
    seen = Bench().run(told(scenario.oxygen_crash(ONSET), 1))
    assert min(o.sample.values["do"] for o in seen) < 2.0  # it was one
    assert REASON not in keys(seen, "do")
    assert Flag.FAIL not in flags(seen, "do")


@pytest.mark.parametrize(
    ("kind", "size"), [(FaultKind.OFFSET, 0.6), (FaultKind.OFFSET, -0.6), (FaultKind.STUCK, 0.0), (FaultKind.DRIFT, 0.1)]
)
def test_a_ph_probe_that_goes_wrong_is_not_laid_on_the_oxygen(kind: FaultKind, size: float) -> None:
    fault = Fault(kind, "ph", START + 8 * DAY, START + 20 * DAY, size)
    assert REASON not in keys(Bench().run(readings(16, 5, (fault,))), "do")


def test_a_cleaned_probe_is_believed_again() -> None:
    fault = Fault(FaultKind.FOULING, "do", START + 8 * DAY, START + 11 * DAY, 0.7)
    seen = Bench().run(readings(14, 5, (fault,)))
    assert REASON in keys(seen[: 11 * 96], "do")
    assert REASON not in keys(seen[12 * 96 + 48 :], "do")


@pytest.mark.parametrize(("cleaned", "suspect"), [(True, False), (False, True)])
def test_after_maintenance_the_probe_is_believed_until_it_lies_again(cleaned: bool, suspect: bool) -> None:
    end = START + (11 * DAY if cleaned else 20 * DAY)
    rows = readings(12, 5, (Fault(FaultKind.FOULING, "do", START + 8 * DAY, end, 1.0),))
    bench = Bench()
    bench.run(rows[: 11 * 96])
    for row in rows[11 * 96 : 11 * 96 + 4]:
        bench.take(*row, maintenance=True)
    after = bench.run(rows[11 * 96 + 4 : 11 * 96 + 20])
    assert (REASON in keys(after, "do")) is suspect


def test_the_oxygen_alarm_of_a_fouled_probe_is_raised_and_says_that_it_is_unsure() -> None:
    ponds = {NODE: KnownPond("p1", "p1", limits_of("vannamei"))}
    pipeline, rows = Pipeline("g1", ponds, make_stages(ponds)), []
    for at, (time, values) in enumerate(told(scenario.fouled_probe(ONSET, a_day=12.0), 2, days=8.4)):
        pipeline.take(Sample(NODE, 1, at, time, values), time)
        rows += pipeline.alarms.drain()[0]
    oxygen = [row for row in rows if row["quantity"] == "do" and row["kind"] != "probe_fault"]
    assert oxygen
    assert oxygen[-1]["numbers"]["confidence"] == "low"
    assert next(row["numbers"]["reason"] for row in rows if row["kind"] == "probe_fault") == REASON


@pytest.mark.parametrize("cut", [3, 700, 800])
def test_a_restart_changes_nothing(cut: int) -> None:
    rows = told(scenario.fouled_probe(ONSET, a_day=12.0), 2)
    whole, first = Bench(), Bench()
    first.run(rows[:cut])
    state = next(s for s in first.stages if isinstance(s, OxygenBalance)).snapshot(NODE)
    second = first.restarted()
    assert next(s for s in second.stages if isinstance(s, OxygenBalance)).snapshot(NODE) == state
    assert [o.assessments["do"] for o in whole.run(rows)[cut:]] == [o.assessments["do"] for o in second.run(rows[cut:])]
