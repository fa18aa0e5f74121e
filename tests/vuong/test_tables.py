"""The tables of quantities, flags, limits and alarm kinds, and the readings that they describe."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vuong.alarms import ALARM_KINDS, GROUPS
from vuong.contract.topics import parse, topic
from vuong.flags import Flag, worst
from vuong.limits import DEFAULTS, SPECIES, Band, limits_of
from vuong.quantities import QUANTITIES
from vuong.readings import Reading, Sample

flags = st.sampled_from(list(Flag))


@given(st.sampled_from(sorted(QUANTITIES)), st.integers(-(10**7), 10**7))
def test_scaled_integers_survive(name: str, integer: int) -> None:
    quantity = QUANTITIES[name]
    assert quantity.scaled(quantity.unscaled(integer)) == integer


def test_rows_of_quantities_are_in_order() -> None:
    for name, quantity in QUANTITIES.items():
        assert quantity.name == name
        assert quantity.low < quantity.high
        assert quantity.resolution >= 10**-quantity.digits
        assert repr(quantity) == f"Quantity({name})"


def test_micropython_has_the_same_table(micropython: Callable[[str], object]) -> None:
    script = """
import json
from vuong.quantities import QUANTITIES
print(json.dumps([[n, QUANTITIES[n].senml_unit, QUANTITIES[n].scaled(1.25)] for n in sorted(QUANTITIES)]))
"""
    assert micropython(script) == [[n, QUANTITIES[n].senml_unit, QUANTITIES[n].scaled(1.25)] for n in sorted(QUANTITIES)]


@given(flags, flags, flags)
def test_the_worst_flag_wins_in_any_order(a: Flag, b: Flag, c: Flag) -> None:
    assert worst(a, b) == worst(b, a)
    assert worst(worst(a, b), c) == worst(a, worst(b, c))
    assert worst(a, Flag.NOT_EVALUATED) == a
    assert worst(a, Flag.MISSING) == Flag.MISSING


def test_limits_of_a_pond() -> None:
    limits = limits_of("monodon", {"do": {"low_warning": 4.5}, "ph_swing": 0.4})
    assert limits.do == Band(low_critical=3.0, low_warning=4.5)
    assert limits.ph_swing == 0.4
    assert limits.temperature == DEFAULTS["monodon"].temperature
    assert limits.band("do") == limits.do
    assert limits.band("ph_swing") is None
    assert limits.band("turbidity") is None


@pytest.mark.parametrize(
    ("species", "overrides", "named"),
    [
        ("salmon", {}, "'salmon'"),
        ("vannamei", {"chlorine": 1.0}, "'chlorine'"),
        ("vannamei", {"do": 3.0}, "'do' is 3.0"),
        ("vannamei", {"do": {"lowest": 1.0}}, "'lowest'"),
        ("vannamei", {"ph_swing": "much"}, "'ph_swing' is 'much'"),
        ("vannamei", {"do": {"low_warning": 1.0}}, "must rise"),
    ],
)
def test_wrong_limits_are_named(species: str, overrides: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        limits_of(species, overrides)


@pytest.mark.parametrize("species", SPECIES)
def test_defaults_have_a_band_for_each_threshold_alarm(species: str) -> None:
    for kind in ALARM_KINDS.values():
        if kind.side is not None:
            assert kind.limit is not None
            assert attrgetter(kind.limit)(DEFAULTS[species]) > 0
            assert kind.quantity is not None or kind.derived is not None


@pytest.mark.parametrize(
    ("value", "level"),
    [(3.0, "ok"), (5.0, "ok"), (2.9, "warning"), (1.9, "critical"), (5.1, "warning"), (6.1, "critical")],
)
def test_how_far_out_a_value_is(value: float, level: str) -> None:
    assert Band(2.0, 3.0, 5.0, 6.0).level(value) == level
    assert Band().level(value) == "ok"


def test_alarm_kinds_clear_inside_their_limits() -> None:
    for name, kind in ALARM_KINDS.items():
        assert kind.name == name
        assert kind.deadband > 0 or kind.quantity is None
        assert kind.on_delay >= 0
        assert kind.off_delay >= 0


def test_a_group_is_degrees_of_one_trouble_the_worst_first() -> None:
    for kinds in GROUPS.values():
        assert [k.priority for k in kinds] == sorted({k.priority for k in kinds})
        assert len({(k.quantity, k.derived, k.side, k.category) for k in kinds}) == 1


def test_readings_of_a_sample() -> None:
    sample = Sample("70b3d57ed0001a2b", 1, 2, 100, {"do": 5.0, "ph": 8.0})
    assert sample.readings() == [Reading("70b3d57ed0001a2b", "do", 100, 5.0), Reading("70b3d57ed0001a2b", "ph", 100, 8.0)]


@given(st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.sampled_from(["data", "ack"]))
def test_topics_survive(node: str, channel: str) -> None:
    assert parse(topic(node, channel)) == (node, channel)


@pytest.mark.parametrize(
    "name", ["", "vuong/v1/nodes//data", "vuong/v2/nodes/a/data", "vuong/v1/nodes/a", "vuong/v1/nodes/a/data/x"]
)
def test_foreign_topics_are_none_of_ours(name: str) -> None:
    assert parse(name) is None


def test_sides_and_priorities_are_not_doubled() -> None:
    threshold = [(k.derived or k.quantity, k.side, k.priority) for k in ALARM_KINDS.values() if k.side is not None]
    assert all(a != b for a, b in itertools.combinations(threshold, 2))
