"""The streaming tests give the flags of ioos_qc 3 on the same series. Its spike test speaks of the value before: one sample of delay here."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.quality import gross_range
from gateway.quality.attenuated_signal import AttenuatedSignal
from gateway.quality.flat_line import FlatLine
from gateway.quality.rate_of_change import RateOfChange
from gateway.quality.spike import Spike

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # at import, of the libraries it stands on
    from ioos_qc import qartod

STEP, BEGIN = 900, 1_795_107_600

series = st.lists(st.integers(-40, 40), min_size=8, max_size=120).map(lambda steps: [20.0 + 0.05 * s for s in steps])
walks = st.lists(st.sampled_from((-0.1, 0.0, 0.0, 0.0, 0.1, 1.3)), min_size=12, max_size=150).map(
    lambda d: np.round(20.0 + np.cumsum(d), 3).tolist()
)


def times(count: int) -> Any:  # noqa: ANN401 - an array of moments
    return np.array([BEGIN + STEP * i for i in range(count)], dtype="datetime64[s]")


def oracle(function: Any, *arguments: Any, **named: Any) -> list[int]:  # noqa: ANN401 - ioos_qc has no types
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [int(f) for f in np.ma.filled(function(*arguments, **named), 9)]


@given(values=series)
@settings(max_examples=50, deadline=None)
def test_gross_range(values: list[float]) -> None:
    ours = [int(gross_range.check(v, (18.5, 21.5), (19.0, 21.0))) for v in values]
    assert ours == oracle(qartod.gross_range_test, values, (18.5, 21.5), (19.0, 21.0))


@given(values=series)
@settings(max_examples=50, deadline=None)
def test_spike_with_its_delay_of_one_sample(values: list[float]) -> None:
    test = Spike(0.51, 1.01)
    ours = [int(test.check(v)) for v in values]
    assert ours[:2] == [2, 2]
    assert ours[2:] == oracle(qartod.spike_test, values, 0.51, 1.01)[1:-1]


@given(values=series)
@settings(max_examples=50, deadline=None)
def test_rate_of_change(values: list[float]) -> None:
    test = RateOfChange(4.01)
    ours = [int(test.check(BEGIN + STEP * i, v)) for i, v in enumerate(values)]
    assert ours == oracle(qartod.rate_of_change_test, values, times(len(values)), 4.01 / 3600)


@given(values=walks)
@settings(max_examples=50, deadline=None)
def test_flat_line_of_equal_values(values: list[float]) -> None:
    test = FlatLine(0.05, 4 * STEP, 8 * STEP)
    ours = [int(test.check(BEGIN + STEP * i, v)) for i, v in enumerate(values)]
    theirs = oracle(qartod.flat_line_test, values, times(len(values)), 4 * STEP, 8 * STEP, 0.05)
    assert ours == theirs


@given(values=walks)
@settings(max_examples=30, deadline=None)
def test_attenuated_signal(values: list[float]) -> None:
    period = 10 * STEP
    test = AttenuatedSignal(0.35, 0.15, period)
    ours = [int(test.check(BEGIN + STEP * i, v)) for i, v in enumerate(values)]
    theirs = oracle(qartod.attenuated_signal_test, values, times(len(values)), 0.35, 0.15, test_period=period, check_type="range")
    assert ours[10:] == theirs[10:]  # before a whole window has passed ours says good or not evaluated


def test_rate_over_a_short_time_is_not_blown_up() -> None:
    test = RateOfChange(4.0)
    test.check(BEGIN, 20.0)
    assert int(test.check(BEGIN + 10, 20.5)) == 1
    assert test.rate == pytest.approx(2.0)
