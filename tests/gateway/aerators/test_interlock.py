"""The interlock's invariants, for any course of oxygen, clock and people; and its switchboard on mock pins."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.aerators.config import Aerator
from gateway.aerators.interlock import STALE, Decision, Override, decide, known, night
from gateway.aerators.overrides import Overrides
from gateway.aerators.switchboard import Switchboard
from gateway.aerators.watch import look
from gateway.alarms.engine import AlarmEngine
from gateway.config import ConfigError, parse
from gateway.derived.oxygen import Oxygen
from gateway.observation import Pond
from tests.gateway.saying import said
from vuong.flags import Flag
from vuong.limits import Limits

NOON = 1_763_614_800
AERATOR = Aerator("q1", "p1", 5)
POND = Pond("p1", "Ao 1", Limits())

OXYGEN = st.none() | st.builds(
    Oxygen,
    value=st.floats(0, 20) | st.just(float("nan")),
    time=st.integers(NOON - 90_000, NOON + 90_000),
    flag=st.sampled_from([Flag.GOOD, Flag.NOT_EVALUATED, Flag.SUSPECT, Flag.FAIL]),
)
OVERRIDE: st.SearchStrategy[Override | None] = st.sampled_from([None, "on", "off"])
AERATORS = st.builds(
    Aerator,
    id=st.just("q1"), pond=st.just("p1"), pin=st.just(5), min_on=st.integers(0, 3600), min_off=st.integers(0, 3600),
    start_below=st.floats(1, 4), stop_above=st.floats(4.1, 9),
)  # fmt: skip


@given(
    aerator=AERATORS,
    now=st.integers(NOON - 86_400, NOON + 86_400),
    on=st.booleans(),
    rest=st.integers(-3600, 7200),
    oxygen=OXYGEN,
    override=OVERRIDE,
)
def test_invariants_of_every_single_decision(
    aerator: Aerator, now: int, on: bool, rest: int, oxygen: Oxygen | None, override: Override | None
) -> None:
    decision = decide(aerator, now, on=on, switched=now - rest, oxygen=oxygen, override=override, pond=POND)
    if override is not None:
        assert decision == Decision(override == "on", "override"), "a person wins over all"
        return
    switches = decision.on != on
    if rest < (aerator.min_on if on else aerator.min_off):
        assert not switches, "least times"
        return
    if not known(oxygen, now):
        assert decision.on, "what is not known is taken for low"
        return
    assert oxygen is not None
    if oxygen.value < aerator.start_below:
        assert decision.on
    if on and not decision.on:
        assert oxygen.flag is Flag.GOOD
        assert oxygen.value > aerator.stop_above
        assert not (night(now, POND.longitude) and oxygen.value < 4.0), "never off at night while oxygen is low"


@settings(max_examples=60)
@given(
    aerator=AERATORS,
    steps=st.lists(
        st.tuples(st.integers(1, 2000), st.floats(0, 12), st.sampled_from([Flag.GOOD, Flag.SUSPECT, Flag.FAIL])), max_size=60
    ),
)
def test_over_any_course_the_motor_keeps_its_least_times(aerator: Aerator, steps: list[tuple[int, float, Flag]]) -> None:
    now, on, switched = NOON, False, NOON
    changes = [(now, False)]
    for wait, value, flag in steps:
        now += wait
        wanted = decide(aerator, now, on=on, switched=switched, oxygen=Oxygen(value, now, flag), override=None, pond=POND).on
        if wanted != on:
            on, switched = wanted, now
            changes.append((now, on))
    for (before, was_on), (after, _) in itertools.pairwise(changes):
        assert after - before >= (aerator.min_on if was_on else aerator.min_off)


@pytest.mark.parametrize(
    ("solar", "dark"), [(0, True), (5, True), (7.9, True), (8.1, False), (12, False), (16.4, False), (16.6, True), (23, True)]
)
def test_night_is_when_algae_give_no_oxygen(solar: float, dark: bool) -> None:
    midnight = 1_763_596_800 - POND.longitude / 15 * 3600 + 86_400
    assert night(midnight + solar * 3600, POND.longitude) == dark


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    before = gpiozero.Device.pin_factory
    factory = gpiozero.Device.pin_factory = MockFactory()
    yield factory
    factory.reset()
    gpiozero.Device.pin_factory = before


@pytest.fixture
def board(pins: MockFactory) -> Iterator[Switchboard]:
    made = Switchboard((AERATOR,), {"p1": POND}, NOON, {"q1": lambda: 4.2})
    yield made
    made.close()


def good(value: float, at: int) -> dict[str, Oxygen]:
    return {"p1": Oxygen(value, at, Flag.GOOD)}


def test_a_night_on_a_relay(board: Switchboard, pins: MockFactory) -> None:
    now = NOON + 12 * 3600
    board.update(now, good(6.0, now))
    assert not pins.pin(5).state
    board.update(now + 600, good(3.9, now + 600))
    assert pins.pin(5).state
    board.update(now + 900, good(9.0, now + 900))
    assert pins.pin(5).state, "its least time"
    board.update(now + 1600, good(5.0, now + 1600))
    assert pins.pin(5).state, "not enough yet"
    board.update(now + 1700, good(5.6, now + 1700))
    assert not pins.pin(5).state
    board.update(now + 1700 + STALE + 1, good(5.6, now + 1700))
    assert pins.pin(5).state, "stale data: it runs"
    board.override({"q1": "off"})
    board.update(now + 1700 + STALE + 2, {})
    assert not pins.pin(5).state, "a person wins"
    board.override({})
    board.update(now + 1700 + STALE + 400, {})
    assert pins.pin(5).state


def test_a_relay_whose_coil_is_on_at_a_low_level(pins: MockFactory) -> None:
    board = Switchboard((Aerator("q1", "p1", 6, active_high=False),), {"p1": POND}, NOON, {})
    assert pins.pin(6).state
    assert not board.on("q1"), "off, so the pin is high"
    board.update(NOON + 400, {})
    assert not pins.pin(6).state
    board.close()


def test_a_motor_that_draws_no_current_raises_a_latched_alarm(pins: MockFactory) -> None:
    current = [0.1]
    board = Switchboard((AERATOR,), {"p1": POND}, NOON, {"q1": lambda: current[0]})
    nodes = {"00124b0000000001": POND}
    engine = AlarmEngine("gw-1", nodes)
    for second in range(300, 391, 30):
        look(board, engine, nodes, {}, NOON + second)
    (alarm,) = engine.active("00124b0000000001")
    assert (alarm["kind"], alarm["pond"], alarm["numbers"]["aerator"], alarm["numbers"]["current"]) == (
        "aerator_fault",
        "p1",
        "q1",
        0.1,
    )
    current[0] = 4.2
    look(board, engine, nodes, {}, NOON + 420)
    found = engine.find(alarm["id"])
    assert found is not None
    assert (found["state"], found["cleared"]) == ("latched", None), "somebody must look at it"
    row = engine.carry_out(said("reset", found, NOON + 500), NOON + 500)
    assert row is not None
    assert row["state"] == "returned"
    board.close()


def test_a_sensor_that_does_not_answer_says_nothing(pins: MockFactory) -> None:
    board = Switchboard((AERATOR,), {"p1": POND}, NOON, {"q1": lambda: None})
    engine = AlarmEngine("gw-1", {"n": POND})
    for second in range(300, 600, 30):
        look(board, engine, {"n": POND}, {}, NOON + second)
    assert board.on("q1")
    assert engine.active("n") == []
    board.close()


GOOD = """
gateway = { id = "gw-1", database = "gateway.db" }
ponds = [{ id = "p1" }]
[[aerators]]
id = "q1"
pond = "p1"
pin = 5
start_below = 4.5
current_channel = 0
[[aerators]]
id = "q2"
pond = "p1"
pin = 6
"""


def test_configuration_and_its_errors(tmp_path: Path) -> None:
    first, second = parse(tomllib.loads(GOOD), tmp_path).aerators
    assert (first.start_below, first.current_channel, second.current_channel) == (4.5, 0, None)
    assert parse({"gateway": {"id": "g", "database": "d"}}, tmp_path).aerators == (), "off by default"
    for old, new, told in [
        ("pin = 6", "pin = 5", ["aerators[2].pin", "5"]),
        ('id = "q2"', 'id = "q1"', ["aerators[2].id", "q1"]),
        ("start_below = 4.5", "start_below = 6", ["aerators[1].stop_above", "6"]),
        ('pond = "p1"\npin = 6', 'pond = "p7"\npin = 6', ["aerators[2].pond", "p7", "p1"]),
        ("current_channel = 0", "current_channel = 9", ["current_channel", "9"]),
    ]:
        assert old in GOOD
        with pytest.raises(ConfigError) as caught:
            parse(tomllib.loads(GOOD.replace(old, new, 1)), tmp_path)
        assert all(word in str(caught.value) for word in told), caught.value


def test_what_a_person_wants_outlives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    first = Overrides(path)
    first.set("q1", "off", "sau", NOON)
    first.set("q2", "on", "sau", NOON)
    first.set("q2", "auto", "tu", NOON + 1)
    first.close()
    again = Overrides(path)
    assert again.all() == {"q1": "off", "q2": None}
    with pytest.raises(ValueError, match="on, off, auto"):
        again.set("q1", "maybe", "sau", NOON)
    again.close()
