"""Intervals against a plain set."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.intervals import Intervals

SPANS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=40)


@given(SPANS)
def test_it_is_a_set_of_integers(spans: list[tuple[int, int]]) -> None:
    intervals, oracle = Intervals(), set[int]()
    for first, length in spans:
        numbers = set(range(first, first + length + 1))
        assert intervals.add(first, first + length) == bool(numbers - oracle)
        oracle |= numbers
        pairs = list(intervals)
        assert {n for a, b in pairs for n in range(a, b + 1)} == oracle
        assert all(b + 1 < c for (_, b), (c, _) in pairwise(pairs)), "neighbours are merged"
    for number in range(72):
        assert (number in intervals) == (number in oracle)
        run = number - 1
        while run + 1 in oracle:
            run += 1
        assert intervals.end_of(number) == run
    assert intervals.last == (max(oracle) if oracle else None)
    assert list(Intervals(pairs if spans else [])) == list(intervals)


@given(SPANS, st.integers(1, 70), st.integers(1, 5))
def test_filling_never_touches_what_lies_above(spans: list[tuple[int, int]], number: int, keep: int) -> None:
    intervals, before = Intervals(), Intervals()
    for first, length in spans:
        intervals.add(first, first + length)
        before.add(first, first + length)
    intervals.fill_below(number, keep)
    for n in range(1, 80):
        if n in before:
            assert n in intervals
        elif n >= number:
            assert n not in intervals


def test_an_empty_span_adds_nothing() -> None:
    assert not Intervals().add(5, 4)
