"""The merge rule of acknowledgements: the earliest wins, whatever way and order they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vuong.acknowledgement import WHERE, Acknowledgement, earliest, standing

ACKNOWLEDGEMENTS = st.builds(
    Acknowledgement,
    at=st.integers(0, 5),
    where=st.sampled_from(WHERE),
    by=st.sampled_from(["sau", "tu", "htx"]),
    revision=st.integers(1, 4),
)


@given(a=ACKNOWLEDGEMENTS, b=ACKNOWLEDGEMENTS, c=ACKNOWLEDGEMENTS)
def test_merging_is_commutative_associative_and_idempotent(a: Acknowledgement, b: Acknowledgement, c: Acknowledgement) -> None:
    assert earliest(a, b) == earliest(b, a)
    assert earliest(earliest(a, b), c) == earliest(a, earliest(b, c))
    assert earliest(a, a) == a == earliest(a, None)


@given(made=st.lists(ACKNOWLEDGEMENTS, max_size=8), order=st.randoms(use_true_random=False), annunciated=st.integers(1, 4))
def test_three_places_end_alike(made: list[Acknowledgement], order: object, annunciated: int) -> None:
    wanted = standing(made, annunciated)
    order.shuffle(made)  # type: ignore[attr-defined]
    assert standing([*made, *made[:3]], annunciated) == wanted
    assert wanted is None or wanted.at == min(a.at for a in made if a.revision >= annunciated)


def test_an_acknowledgement_of_what_was_milder_does_not_silence_what_is_worse() -> None:
    assert standing([Acknowledgement(10, "app", "sau", 1)], annunciated=3) is None
