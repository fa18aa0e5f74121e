"""Alarms: deadband, on- and off-delay, what fails a test, silence; and a restart in the middle changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alarms.rules import rules_of
from tests.gateway.alarms.conftest import Feed
from tests.gateway.conftest import Bench
from vuong.alarms import ALARM_KINDS
from vuong.limits import Limits

Pack = Callable[..., bytes]
NODE = "00124b0000000001"
NOON = 1_763_614_800
MINUTE = 60


def test_low_oxygen_is_raised_at_once_and_cleared_after_deadband_and_off_delay(feed: Feed) -> None:
    feed(0, do=5.0)
    feed(5, do=3.9)
    assert feed.alarms("oxygen_low") == [("unacknowledged", 5, None)]
    feed(10, do=4.1)  # inside the limit, within the deadband
    feed(60, do=4.2)
    assert feed.alarms("oxygen_low") == [("unacknowledged", 5, None)]
    feed(65, do=4.3)  # clear of the deadband: the off-delay of 15 min begins
    feed(70, do=3.8)  # and is broken off
    feed(75, do=4.5)
    feed(85, do=4.5)
    assert feed.alarms("oxygen_low") == [("unacknowledged", 5, None)]
    feed(90, do=4.5)
    assert feed.alarms("oxygen_low") == [("returned", 5, 90)]
    feed(160, do=3.5)  # more than an hour later: another occurrence
    assert feed.alarms("oxygen_low") == [("returned", 5, 90), ("unacknowledged", 160, None)]


def test_what_comes_again_within_the_hour_unacknowledged_is_the_same_alarm(feed: Feed) -> None:
    for minute in range(0, 300, 30):
        feed(minute, do=3.5)
        feed(minute + 5, do=6.0)
        feed(minute + 25, do=6.0)
    assert feed.alarms("oxygen_low") == [("returned", 0, 295)]
    assert feed.numbers("oxygen_low")["times"] == 10


def test_an_alarm_row_tells_value_limit_how_sure_and_since_when(feed: Feed) -> None:
    feed(0, ph=6.8)
    feed(45, ph=6.7)
    ((pond, node, quantity, revision, numbers),) = feed.bench.rows("SELECT pond, node, quantity, revision, numbers FROM alarms")
    assert (pond, node, quantity, revision) == ("p1", NODE, "ph", 2)
    assert json.loads(str(numbers)) == {
        "value": 6.7, "limit": 7.0, "confidence": "high", "since": NOON, "annunciated": 1, "called": NOON,
    }  # fmt: skip


def test_an_on_delay_outlasts_a_short_dip(feed: Feed) -> None:
    feed(0, ph=7.4)
    feed(15, ph=7.6)
    feed(30, ph=7.4)
    feed(45, ph=7.4)
    assert feed.alarms("ph_low") == []
    feed(60, ph=7.4)
    assert feed.alarms("ph_low") == [("unacknowledged", 60, None)]


def test_every_kind_with_a_threshold_on_a_quantity_is_raised(feed: Feed) -> None:
    """Each at the mildest value at which it is the worst of its group."""
    rules = rules_of(Limits()).quantities
    wanted = {k.name for k in ALARM_KINDS.values() if k.side and not k.derived}
    raised = set()
    for number, (quantity, found) in enumerate(rules.items()):
        for threshold in (t for group in found.groups.values() for t in group):
            value = threshold.limit + (-0.05 if threshold.low else 0.05)
            for minute in (0, 31):
                feed(10_000 * (len(raised) + 20 * number) + minute, **{quantity: value})
            feed.bench.restart()
            raised |= {kind for (kind,) in feed.bench.rows("SELECT kind FROM alarms")}
            feed.bench.rows("DELETE FROM alarms")
            feed.bench.rows("DELETE FROM alarm_states")
            feed.bench.restart()
    assert raised == wanted


def test_a_failed_reading_neither_raises_nor_clears_a_water_alarm_but_a_probe_fault(feed: Feed) -> None:
    feed(0, temperature=34.0)
    feed(31, temperature=34.0)
    assert feed.alarms("temperature_high_critical") == [("unacknowledged", 31, None)]
    for minute in (40, 50, 60):
        feed(minute, temperature=-127.0)
    assert feed.alarms("temperature_high_critical") == [("unacknowledged", 31, None)]
    assert feed.alarms("temperature_low_critical") == []
    assert feed.alarms("probe_fault") == [("unacknowledged", 60, None)]
    numbers = feed.numbers("probe_fault")
    assert (numbers["value"], numbers["reason"], numbers["since"]) == (-127.0, "physical_range", NOON + 40 * MINUTE)


def test_salt_coming_up_the_river(feed: Feed) -> None:
    for minute in range(0, 600, 15):
        feed(minute, salinity=8.0)
    for minute in range(600, 720, 15):
        feed(minute, salinity=12.0)
    assert feed.alarms("salinity_rise") == [("unacknowledged", 630, None)]
    assert feed.alarms("salinity_high") == []


def test_one_low_reading_is_not_the_level_that_water_rises_from(feed: Feed) -> None:
    for minute in range(0, 180, 5):
        feed(minute, salinity=5.5 if minute == 30 else 8.5)
    for minute in range(180, 300, 5):
        feed(minute, salinity=9.0)
    assert feed.alarms("salinity_rise") == []


def test_an_old_sample_out_of_the_backlog_moves_no_alarm(feed: Feed) -> None:
    feed(0, do=6.0)
    feed.bench.send(feed.pack(99, at=NOON - 7200, do=1.0, form="cbor"), channel="backlog")
    assert feed.alarms("oxygen_low") == []


def test_a_silent_node_by_the_clock(feed: Feed) -> None:
    bench = feed.bench
    feed(0, do=6.0)

    tick = feed.tick
    tick(15)
    assert feed.alarms("node_offline") == []
    tick(16)
    assert feed.alarms("node_offline") == [("unacknowledged", 16, None)]
    bench.restart()
    tick(17)
    feed(20, do=6.0)
    tick(20.5)
    tick(30)
    feed(31, do=6.0)
    tick(36)
    assert feed.alarms("node_offline") == [("returned", 16, 36)]


def test_a_gateway_that_was_off_does_not_call_its_nodes_silent(feed: Feed) -> None:
    feed(0, do=6.0)
    feed.bench.clock.set(NOON + 86400)
    feed.bench.restart()
    feed.bench.ingest.tick()
    feed.bench.ingest.commit()
    assert feed.alarms("node_offline") == []


VALUES = st.fixed_dictionaries(
    {"do": st.sampled_from([1.5, 2.5, 3.5, 4.1, 4.4, 6.0]), "temperature": st.sampled_from([29.0, 33.5, 85.0])},
    optional={"salinity": st.sampled_from([8.0, 9.0, 12.5, 3.0]), "ph": st.sampled_from([7.4, 8.0, 14.5])},
)


@settings(max_examples=30, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 400), VALUES), min_size=1, max_size=25),
    restarts=st.sets(st.integers(0, 24), max_size=4),
    saved=st.sets(st.integers(0, 24), max_size=3),
)
@pytest.mark.slow
def test_a_restart_at_any_moment_gives_the_same_flags_and_alarms(
    tmp_path_factory: pytest.TempPathFactory,
    make_bench: Callable[[Path], Bench],
    make_pack: Pack,
    steps: list[tuple[int, dict[str, float]]],
    restarts: set[int],
    saved: set[int],
) -> None:
    results = []
    for disturbed in (False, True):
        bench = make_bench(tmp_path_factory.mktemp("db") / "gateway.db")
        at = NOON
        for number, (minutes, values) in enumerate(steps):
            at += minutes * MINUTE
            bench.clock.set(at)
            bench.send(make_pack(number + 1, at=at, **values))
            if disturbed and number in saved:
                bench.ingest.commit(snapshot=True)
            if disturbed and number in restarts:
                bench.restart()
        results.append((bench.rows("SELECT * FROM samples"), bench.rows("SELECT * FROM alarms ORDER BY id")))
        bench.store.close()
    assert results[0] == results[1]
