"""One cause, one alarm: probes that fail together, nodes that fall silent together; maintenance, shelving; what the cloud is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.alarms.engine import LONGEST_MAINTENANCE
from gateway.observation import Assessment, Observation
from tests.gateway.alarms.conftest import MINUTE, NOON, Feed, Judge, Pack
from tests.gateway.conftest import Bench
from tests.gateway.saying import said
from vuong.flags import Flag
from vuong.readings import Sample

NODE = "00124b0000000001"


def kinds(feed: Feed) -> dict[str, str]:
    """Return the state of each alarm by kind and quantity."""
    rows = feed.bench.rows("SELECT kind, ifnull(quantity, node), state FROM alarms")
    return {f"{kind}/{what}": str(state) for kind, what, state in rows}


def test_probes_that_fail_together_are_one_alarm(feed: Feed, judge: type[Judge]) -> None:
    judge.flags = dict.fromkeys(("do", "ph", "salinity", "temperature"), Flag.FAIL)
    for minute in range(0, 61, 5):
        feed(minute, do=0.0, ph=0.1, salinity=0.0, temperature=0.0)
    assert kinds(feed) == {f"probes_fault/{NODE}": "unacknowledged"}, "and no siren for water that nobody measures"
    judge.flags = {}
    for minute in (65, 75, 85):
        feed(minute, do=6.0, ph=8.0, salinity=12.0, temperature=29.0)
    assert kinds(feed) == {f"probes_fault/{NODE}": "returned"}


def test_a_probe_that_was_out_before_is_suppressed_under_the_common_cause_and_comes_back_after_it(
    feed: Feed, judge: type[Judge]
) -> None:
    good = {"do": 6.0, "ph": 8.0, "salinity": 12.0, "temperature": 29.0}
    judge.flags = {"ph": Flag.FAIL}
    for minute in (0, 10, 20):
        feed(minute, **good)
    judge.flags = dict.fromkeys(good, Flag.FAIL)
    for minute in (30, 40, 50):
        feed(minute, **good)
    assert kinds(feed) == {"probe_fault/ph": "suppressed", f"probes_fault/{NODE}": "unacknowledged"}
    judge.flags = {"ph": Flag.FAIL}
    for minute in (60, 70, 80):
        feed(minute, **good)
    assert kinds(feed) == {"probe_fault/ph": "unacknowledged", f"probes_fault/{NODE}": "returned"}


@pytest.fixture
def farm(tmp_path: Path, make_pack: Pack) -> Iterator[Feed]:
    bench = Bench(tmp_path / "farm.db", nodes=6)
    yield Feed(bench, make_pack)
    bench.store.close()


def test_nodes_that_fall_silent_together_are_one_alarm_of_the_gateway(farm: Feed) -> None:
    nodes = list(farm.bench.config.nodes)
    for minute in range(0, 11, 5):
        for number, node in enumerate(nodes):  # each with its own place in the interval
            farm.seq += 1
            farm.bench.clock.set(NOON + minute * MINUTE + 40 * number)
            farm.bench.send(farm.pack(farm.seq, node=node, boot=number + 1, at=NOON + minute * MINUTE, do=6.0), node=node)
    for second in range(11 * 60, 60 * 60, 30):
        farm.tick(second / 60)
    assert farm.bench.rows("SELECT kind, pond, node, state FROM alarms WHERE kind LIKE 'node%'") == [
        ("nodes_offline", "p1", None, "unacknowledged")
    ]
    assert farm.numbers("nodes_offline")["count"] >= 3
    assert farm.numbers("nodes_offline")["total"] == 6
    # five come back, one stays away: now it is that one
    for minute in range(60, 100, 5):
        for number, node in enumerate(nodes[:5]):
            farm.seq += 1
            farm.bench.clock.set(NOON + minute * MINUTE)
            farm.bench.send(farm.pack(farm.seq, node=node, boot=number + 1, at=NOON + minute * MINUTE, do=6.0), node=node)
        farm.tick(minute)
    rows = farm.bench.rows("SELECT kind, node, state FROM alarms WHERE kind LIKE 'node%' ORDER BY raised")
    assert rows == [("nodes_offline", None, "returned"), ("node_offline", nodes[5], "unacknowledged")]


def test_an_off_line_node_raises_nothing_else_and_its_standing_oxygen_alarm_stays(feed: Feed) -> None:
    feed(0, do=2.5, temperature=29.0, ph=8.0, salinity=12.0)
    for minute in range(1, 60):
        feed.tick(minute)
    assert kinds(feed) == {"oxygen_critical/do": "unacknowledged", f"node_offline/{NODE}": "unacknowledged"}


def test_maintenance_suppresses_and_releases_but_not_for_ever(feed: Feed) -> None:
    engine, pond = feed.bench.ingest.alarms, feed.bench.config.nodes[NODE]

    def sample(minute: int, value: float, *, maintenance: bool) -> None:
        at = NOON + minute * MINUTE
        engine.update(
            Observation(Sample(NODE, 1, minute, at, {"do": value}), pond, at, maintenance, {"do": Assessment(Flag.GOOD)})
        )

    def states() -> list[str]:
        return [alarm["state"] for alarm in engine.active(NODE)]

    sample(0, 2.5, maintenance=False)
    sample(5, 8.0, maintenance=True)
    assert states() == ["suppressed"]
    sample(20, 2.5, maintenance=False)
    assert states() == ["unacknowledged"], "it calls again"
    sample(25, 1.0, maintenance=True)
    assert states() == ["suppressed"]
    sample(25 + LONGEST_MAINTENANCE // MINUTE + 1, 1.0, maintenance=True)
    (alarm,) = engine.active(NODE)
    assert (alarm["state"], alarm["kind"]) == ("unacknowledged", "oxygen_lethal"), "no cleaning takes so long"


def test_shelving_ends_by_itself_and_by_growing_worse(feed: Feed) -> None:
    engine = feed.bench.ingest.alarms
    feed(0, do=3.5)
    (alarm,) = engine.active(NODE)
    shelved = engine.carry_out(said("shelving", alarm, NOON, minutes=60, reason="đang thay nước"), NOON)
    assert shelved is not None
    assert (shelved["state"], shelved["numbers"]["shelved_until"]) == ("shelved", NOON + 3600)
    assert (shelved["numbers"]["shelved_by"], shelved["numbers"]["shelved_reason"]) == ("sau", "đang thay nước")
    feed(30, do=3.5)
    feed.bench.restart()
    feed.tick(61)
    assert feed.alarms("oxygen_low") == [("unacknowledged", 0, None)]
    (alarm,) = (row for row in feed.bench.ingest.alarms.active(NODE) if row["kind"] == "oxygen_low")
    assert "shelved_until" not in alarm["numbers"]
    feed.bench.ingest.carry_out(said("shelving", alarm, NOON + 3700, minutes=55, reason="x"))
    assert "shelved" in {row["state"] for row in feed.bench.ingest.alarms.active(NODE)}
    feed(70, do=2.5)
    assert feed.alarms("oxygen_critical") == [("unacknowledged", 0, None)]


async def test_an_acknowledgement_of_what_is_over_and_gone_from_memory(feed: Feed) -> None:
    from vuong.acknowledgement import Acknowledgement

    feed(0, do=3.5)
    feed(5, do=6.0)
    feed(30, do=6.0)
    ((name,),) = feed.bench.rows("SELECT id FROM alarms")
    feed.tick(60 * 5)  # more than an hour later it is not reopened any more
    assert feed.bench.ingest.alarms.find(str(name)) is None
    for at in (400, 300, 500):
        await feed.bench.ingest.acknowledge(str(name), Acknowledgement(NOON + at, "cloud", "tu", 1))
        feed.bench.ingest.commit()
    assert feed.bench.rows("SELECT state, acknowledged FROM alarms WHERE quantity = 'do'") == [("normal", NOON + 300)]
