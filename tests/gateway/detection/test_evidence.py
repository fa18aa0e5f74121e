"""Usual levels and thresholds of one channel."""

from __future__ import annotations

from itertools import count

import pytest

from gateway.detection.evidence import Evidence, Usual
from gateway.detection.repeats import Repeats

from .conftest import Bench, keys, readings

BEGIN = 16 * 96


def smallest_excursion(level: float, others: float = 0.0) -> float:
    """Return the smallest excursion that passes where `level` is usual."""
    usual = Usual("do")
    usual.levels = [level] * len(usual.levels)
    for tenths in count(1):
        evidence = (0.0, tenths / 10.0, 0.0, 0.0, 0.0, 0.0)
        found, _ = usual.weigh(evidence, others, run_proof=1.0, excused=False, was_flat=False)
        if found is Evidence.EXCURSION:
            return tenths / 10.0
    raise AssertionError


def test_an_excursion_is_weighed_against_the_root_of_what_is_usual() -> None:
    assert smallest_excursion(4.0) == pytest.approx(2.0 * smallest_excursion(1.0), rel=0.05)


def test_an_excursion_needs_the_more_proof_the_more_another_quantity_makes() -> None:
    alone, little, much = (smallest_excursion(2.0, others) for others in (0.0, 0.5, 4.0))
    assert alone < little < much


def test_a_run_is_judged_by_the_hour_more_than_by_the_last_hours() -> None:
    """Still nights are usual for this probe; the same run at noon is not, though the night has only just ended."""
    repeats = Repeats()
    for sample in range(20 * 96 + 10 * 4):
        hour = sample // 4 % 24
        repeats.take(hour, equal=sample % 8 != 0 if hour < 10 else sample % 16 == 0)
    night, noon = Repeats(), Repeats()
    for other, hour in ((night, 2), (noon, 12)):
        other.restore(repeats.state())
        for equal in (False, *[True] * 12):
            other.take(hour, equal=equal)
    assert noon.lately > 0.5
    assert noon.stuck > 8.0  # nats
    assert night.stuck < 5.0


def test_a_probe_that_never_repeats_itself_is_found_stuck_within_three_hours(bench: Bench) -> None:
    rows = readings()[BEGIN + 36 : BEGIN + 48]  # by day, when the oxygen moves from sample to sample
    bench.run(readings()[BEGIN : BEGIN + 36])
    seen = bench.run([(t, {**v, "do": rows[0][1]["do"]}) for t, v in rows])
    assert "detection.stuck" in keys(seen, "do")
    assert "detection.stuck" not in keys(seen[:9], "do")
