"""Messages in, rows and acknowledgements out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vuong.contract import topics

if TYPE_CHECKING:
    from .conftest import Bench

Pack = Callable[..., bytes]
NODE = "00124b0000000001"
NOON = 1_763_614_800


def test_a_sample_is_stored_with_flags_and_acknowledged(bench: Bench, make_pack: Pack) -> None:
    assert bench.send(make_pack(1, do=6.25, ph=8.1, temperature=29.5, salinity=12.0)) == [(NODE, 7, 1)]
    assert bench.rows(
        "SELECT node, boot, seq, time, arrived, do, do_flag, ph, turbidity, turbidity_flag, reasons FROM samples"
    ) == [(NODE, 7, 1, NOON, NOON, 6.25, 1, 8.1, None, None, None)]


def test_a_value_outside_the_physical_range_fails_and_says_why(bench: Bench, make_pack: Pack) -> None:
    bench.send(make_pack(1, temperature=85.0, do=6.0))
    ((flag, good, reasons),) = bench.rows("SELECT temperature_flag, do_flag, reasons FROM samples")
    assert (flag, good) == (4, 1)
    assert json.loads(str(reasons)) == {"temperature": {"key": "physical_range", "value": 85.0, "low": -5.0, "high": 50.0}}


def test_a_double_is_acknowledged_again_and_stored_once(bench: Bench, make_pack: Pack) -> None:
    for _ in range(3):
        assert bench.send(make_pack(1), make_pack(1)) == [(NODE, 7, 1)]
    assert bench.rows("SELECT count(*) FROM samples") == [(1,)]


def test_acknowledgements_are_coalesced_and_wait_for_holes(bench: Bench, make_pack: Pack) -> None:
    assert bench.send(*(make_pack(seq) for seq in (1, 2, 3, 5, 6))) == [(NODE, 7, 3)]
    assert bench.send(make_pack(4)) == [(NODE, 7, 6)]


def test_first_lifts_the_mark_past_what_is_gone(bench: Bench, make_pack: Pack) -> None:
    assert bench.send(make_pack(1), make_pack(9, first=5)) == [(NODE, 7, 4)]
    assert bench.send(*(make_pack(seq, first=5) for seq in (5, 6, 7, 8))) == [(NODE, 7, 9)]
    # a straggler from below the floor is new all the same
    assert bench.send(make_pack(3)) == [(NODE, 7, 9)]
    assert bench.rows("SELECT count(*) FROM samples") == [(7,)]


def test_a_reboot_begins_a_new_count_and_both_samples_of_one_second_stay(bench: Bench, make_pack: Pack) -> None:
    assert bench.send(make_pack(1, boot=7), make_pack(1, boot=8)) == [(NODE, 7, 1), (NODE, 8, 1)]
    assert bench.rows("SELECT boot, seq, time FROM samples ORDER BY boot") == [(7, 1, NOON), (8, 1, NOON)]


def test_backlog_comes_as_cbor_and_relative_times_are_resolved_at_arrival(bench: Bench, make_pack: Pack) -> None:
    assert bench.send(make_pack(1, at=-600, form="cbor", do=5.0), channel=topics.BACKLOG) == [(NODE, 7, 1)]
    assert bench.rows("SELECT time, estimated, do FROM samples") == [(NOON - 600, 1, 5.0)]


def test_an_unregistered_node_is_counted_and_never_acknowledged(
    bench: Bench, make_pack: Pack, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = "00124b00000000ff"
    for seq in (1, 2):
        assert bench.send(make_pack(seq, node=stranger), node=stranger) == []
    assert bench.ingest.counts["unregistered"] == 2
    assert len([r for r in caplog.records if stranger in r.getMessage()]) == 1


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(payload=st.binary(max_size=60), channel=st.sampled_from(["data", "backlog", "status", "config", "x"]))
def test_garbage_on_every_topic_stops_nothing(bench: Bench, make_pack: Pack, payload: bytes, channel: str) -> None:
    bench.send(payload, channel=channel)
    bench.ingest.take([("vuong/v1/nodes//data", payload), ("$SYS/x", payload)])
    assert (NODE, 7, 1) in bench.send(make_pack(1))


def test_garbage_is_kept_for_a_look_but_not_for_ever(bench: Bench) -> None:
    for _ in range(30):
        bench.send(*[b"\xff garbage"] * 50)
    ((count, longest),) = bench.rows("SELECT count(*), max(length(content)) FROM quarantine")
    assert count == 1000
    assert longest == 9
    bench.send(b"[" * 10_000)
    assert bench.rows("SELECT max(length(content)) FROM quarantine") == [(2048,)]


def test_a_status_is_stored_when_it_changes(bench: Bench) -> None:
    online = json.dumps({"state": "online", "boot": 7, "firmware": "1.0", "battery": 3.9, "secret": "x"}).encode()
    for payload in (online, online, b'{"state": "offline"}', b'{"state": "asleep"}', b"[]", online):
        bench.send(payload, channel=topics.STATUS)
    rows = bench.rows("SELECT time, state, detail FROM statuses ORDER BY position")
    assert [state for _, state, _ in rows] == ["online", "offline", "online"]
    assert len({time for time, _, _ in rows}) == 3, "(node, time) is a status' identity"
    assert json.loads(str(rows[0][2])) == {"boot": 7, "firmware": "1.0", "battery": 3.9}
    assert bench.ingest.counts["quarantined"] == 2


def test_nothing_is_acknowledged_when_the_commit_fails(bench: Bench, make_pack: Pack) -> None:
    bench.send(make_pack(1))
    other = sqlite3.connect(bench.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # somebody holds the database
    bench.store._connection.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(sqlite3.OperationalError):
        bench.send(make_pack(2), make_pack(3))
    other.execute("ROLLBACK")
    other.close()
    bench.ingest.recover()
    assert bench.send(make_pack(2)) == [(NODE, 7, 2)], "what was not written counts as never received"
    assert bench.send(make_pack(3)) == [(NODE, 7, 3)]
    assert bench.rows("SELECT seq FROM samples") == [(1,), (2,), (3,)]


def test_a_bug_in_a_stage_costs_no_reading(bench: Bench, make_pack: Pack, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def update(self, observation: object) -> None:
            raise ZeroDivisionError

    bench.ingest._pipeline.stages = [Broken()]  # type: ignore[list-item]
    assert bench.send(make_pack(1, do=6.0)) == [(NODE, 7, 1)]
    assert bench.rows("SELECT do, do_flag FROM samples") == [(6.0, 2)]
    assert "could not be judged" in caplog.text
