"""Batches in: any number of times, in any order, with one effect; one bad record never stops the rest."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select

from cloud.alerts.tables import Alarm, NodeStatus
from cloud.telemetry.ingest import UNPACKED_LIMIT, BatchError, Sender, take
from cloud.telemetry.tables import Latest, Quarantined, Received, Sample, StaleHour
from tests.cloud.batches import NOW, alarm, batch, packed, sample

A = Sender("gw-a", "coop-a")
TABLES = (Sample, Latest, Alarm, NodeStatus, Quarantined, Received, StaleHour)


def send(engine: Engine, document: dict[str, Any], sender: Sender = A) -> dict[str, Any]:
    return take(engine, packed(document), "gzip", sender=sender, idempotency_key=None, now=NOW)


def content(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that ingest wrote, in order."""
    with engine.connect() as connection:
        return {
            table.__tablename__ if hasattr(table, "__tablename__") else table.__table__.name: sorted(
                (tuple(row) for row in connection.execute(select(table.__table__))), key=repr
            )
            for table in TABLES
        }


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(delete(table.__table__))


_ROWS = st.lists(
    st.builds(
        lambda node, boot, seq, do, ph: sample(
            seq, node=node, boot=boot, time=NOW - 5000 + (boot * 31 + seq) % 40 * 60, do=do, **ph
        ),
        node=st.sampled_from(["00000000000000a1", "00000000000000a2"]),
        boot=st.integers(0, 3) | st.just(2**32 - 1),
        seq=st.integers(1, 12),
        do=st.floats(0, 20, width=32),
        ph=st.fixed_dictionaries({}, optional={"ph": st.floats(6, 9, width=32)}),
    ),
    min_size=1,
    max_size=24,
    unique_by=lambda row: (row["node"], row["boot"], row["seq"]),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, data=st.data())
def test_any_order_and_any_number_of_times_have_one_effect(
    engine: Engine, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    clear(engine)
    alarms = [alarm(f"alarm-{n % 2}", n, numbers={"value": float(n)}) for n in range(6)]
    statuses = [
        {"node": "00000000000000a1", "time": NOW - n // 2, "state": ("online", "offline")[n % 2], "detail": {"battery": 3.9}}
        for n in range(4)
    ]
    send(engine, batch(rows, alarms=alarms, statuses=statuses))
    once = content(engine)
    assert len(once["samples"]) == len(rows)

    clear(engine)
    pieces = (
        [batch([row]) for row in rows] + [batch(alarms=[row]) for row in alarms] + [batch(statuses=[row]) for row in statuses]
    )
    repeats = data.draw(st.lists(st.sampled_from(pieces), max_size=10))
    for piece in data.draw(st.permutations(pieces + repeats)):
        assert send(engine, piece)["quarantined"] == []
    assert content(engine) == once


def test_latest_holds_the_newest_value_of_every_quantity(engine: Engine) -> None:
    send(engine, batch([sample(2, do=5.5, ph=8.0), sample(3, do=5.0)]))
    send(engine, batch([sample(1, do=9.9, ph=7.0, salinity=15.0)]))
    with engine.connect() as connection:
        [row] = connection.execute(select(Latest.__table__)).mappings()
    assert (row["do"], row["ph"], row["salinity"]) == (5.0, 8.0, 15.0)
    assert row["do_time"] > row["ph_time"] > row["salinity_time"]
    assert row["temperature"] is None


def test_two_samples_of_one_node_may_share_a_time(engine: Engine) -> None:
    send(engine, batch([sample(1, time=NOW, do=5.0), sample(2, time=NOW, do=6.0), sample(1, boot=8, time=NOW, do=7.0)]))
    assert len(content(engine)["samples"]) == 3


BAD_ROWS = {
    "an unknown node": {"node": "ffffffffffffffff"},
    "another co-op's node": {"node": "00000000000000b1"},
    "a node that is a number": {"node": 5},
    "a boot above 32 bits": {"boot": 2**32},
    "a negative sequence": {"seq": -1},
    "a sequence that is true": {"seq": True},
    "a time before any node": {"time": 5},
    "a time two days ahead": {"time": NOW + 2 * 86_400},
    "a time that is a text": {"time": "now"},
    "an arrival beyond 63 bits": {"arrived": 2**64 - 1},
    "a value that is a text": {"values": {"do": "wet"}},
    "a value that is a list": {"values": {"do": [1]}},
    "a flag that is none": {"flags": {"do": 7}},
    "a flag that is a list": {"flags": {"do": []}},
    "reasons without a key": {"reasons": {"do": {"n": 1}}},
    "reasons that nest": {"reasons": {"do": {"key": "x", "n": {"deep": 1}}}},
}


@pytest.mark.parametrize("change", BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_sample_is_put_aside_and_the_rest_goes_on(engine: Engine, change: dict[str, Any]) -> None:
    rows = [sample(1, do=5.0), sample(2, do=5.1) | change, sample(3, do=5.2)]
    rows[2]["reasons"] = {"do": {"key": "physical_range", "low": 0}}
    reply = send(engine, batch(rows))
    assert reply["accepted"] == 3
    [refused] = reply["quarantined"]
    assert (refused["part"], refused["row"]) == ("samples", 1)
    assert refused["reason"]
    send(engine, batch(rows))
    found = content(engine)
    assert len(found["samples"]) == 2
    assert len(found["quarantined"]) == 1
    with engine.connect() as connection:
        reasons = connection.execute(select(Sample.seq, Sample.reasons).order_by(Sample.seq)).all()
    assert reasons == [(1, None), (3, {"do": {"key": "physical_range", "low": 0}})]


@pytest.mark.parametrize(
    "row",
    [
        5,
        alarm(kind="no_such_kind"),
        alarm(pond="ao-b1"),
        alarm(revision="new"),
        alarm(state="nul \0 byte"),
        alarm(raised=None),
        alarm(numbers={"deep": {"er": 1}}),
    ],
    ids=["no object", "kind", "pond of another", "revision", "nul", "raised", "numbers"],
)
def test_a_bad_alarm_is_put_aside_and_the_rest_goes_on(engine: Engine, row: object) -> None:
    reply = send(engine, batch(alarms=[row, alarm("good")]))
    assert [(entry["part"], entry["row"]) for entry in reply["quarantined"]] == [("alarms", 0)]
    assert [row[0] for row in content(engine)["alarms"]] == ["good"]


def test_a_record_too_deep_to_write_back_is_put_aside(engine: Engine) -> None:
    deep: Any = 1
    for _ in range(250):
        deep = [deep]
    reply = send(engine, batch([sample(1, do=5.0), sample(2, do=deep)], alarms=[{"id": deep}]))
    assert len(reply["quarantined"]) == 2
    assert len(content(engine)["quarantined"]) == 2


def test_an_unknown_quantity_is_put_aside_and_the_known_ones_stay(engine: Engine) -> None:
    reply = send(engine, batch([sample(1, do=5.0, mercury=0.1)]))
    assert "mercury" in reply["quarantined"][0]["reason"]
    assert len(content(engine)["samples"]) == 1


def test_an_alarm_of_another_coop_cannot_be_taken_over(engine: Engine) -> None:
    send(engine, batch(alarms=[alarm("shared", 1)]))
    send(engine, batch(alarms=[alarm("shared", 9, pond="ao-b1")], gateway="gw-b"), Sender("gw-b", "coop-b"))
    with engine.connect() as connection:
        [row] = connection.execute(select(Alarm.__table__)).mappings()
    assert (row["cooperative_id"], row["revision"], row["pond_id"]) == ("coop-a", 1, "ao-a1")


def unequal() -> dict[str, Any]:
    document = batch([sample(1, do=5.0), sample(2, do=5.0)])
    document["samples"]["seq"].pop()
    return document


BROKEN: dict[str, tuple[bytes, str, int]] = {
    "no gzip": (b"plain", "gzip", 400),
    "half a gzip": (packed(batch())[:-9], "gzip", 400),
    "no JSON": (gzip.compress(b"{"), "gzip", 400),
    "NaN": (b'{"version": NaN}', "", 400),
    "another encoding": (b"", "br", 415),
    "a list": (packed([1]), "gzip", 422),
    "another version": (packed(batch() | {"version": 2}), "gzip", 422),
    "another gateway": (packed(batch(gateway="gw-b")), "gzip", 422),
    "no positions": (packed(batch() | {"first": "1"}), "gzip", 422),
    "positions turned round": (packed(batch() | {"first": 9, "last": 2}), "gzip", 422),
    "alarms that are an object": (packed(batch(alarms={})), "gzip", 422),
    "samples that are a list": (packed(batch(samples=[])), "gzip", 422),
    "columns of two lengths": (packed(unequal()), "gzip", 422),
    "a gzip bomb": (gzip.compress(b" " * (UNPACKED_LIMIT + 1)), "gzip", 413),
}


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # no store is reached
@pytest.mark.parametrize(("body", "encoding", "status"), BROKEN.values(), ids=BROKEN.keys())
def test_a_batch_that_cannot_be_read_is_refused_whole(engine: Engine, body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(BatchError) as caught:
        take(engine, body, encoding, sender=A, idempotency_key=None, now=NOW)
    assert caught.value.status == status
    assert all(rows == [] for rows in content(engine).values())


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_NAMES = ("node", "boot", "seq", "time", "arrived", "values", "flags", "reasons")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=_JSON | st.fixed_dictionaries({name: st.lists(_JSON, min_size=1, max_size=1) | _JSON for name in _NAMES}),
    alarms=_JSON | st.lists(_JSON, max_size=3),
    field=st.sampled_from(sorted(alarm())),
    value=_JSON,
)
def test_any_json_is_taken_or_refused_and_nothing_else_is_raised(
    engine: Engine, samples: object, alarms: object, field: str, value: object
) -> None:
    documents = [batch(samples=samples, alarms=alarms), batch(statuses=alarms), batch(alarms=[alarm() | {field: value}])]
    for document in documents:
        try:
            send(engine, document)
        except BatchError as error:
            assert error.status in {400, 422}  # noqa: PT017 - either outcome is right, another error is not


def test_the_reply_is_what_orjson_and_the_contract_expect(engine: Engine) -> None:
    assert orjson.dumps(send(engine, batch([sample(4, do=5.0)], first=4))) == b'{"accepted":4,"quarantined":[]}'
