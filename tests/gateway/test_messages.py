"""What nodes say beside their readings: their state as it is sent, and calibrations, which are stored before they are acknowledged."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import broker as mqtt_side
from gateway.broker import Broker
from gateway.config import Mqtt
from gateway.lan.entries import beside
from gateway.lan.exchange import Exchange
from gateway.messages import calibration_of, status_of
from gateway.observation import Pond
from tests.gateway.conftest import NODE, NOON
from vuong.contract import topics
from vuong.contract.decode import ContractError
from vuong.contract.entry import entry_fault
from vuong.limits import Limits

if TYPE_CHECKING:
    from .conftest import Bench, Mosquitto

POND = Pond("p0", "Ao 0", Limits())
TOLD: dict[str, Any] = {
    "quantity": "ph", "time": NOON - 600, "operator": "Tư", "lot": "4.01 A12; 6.86 B7", "before": [100.0, 0.0], "after": [96.4, -3.1],
    "sent": False,
}  # fmt: skip
# As `firmware.node` sends it: firmware's own test holds the other end.
STATUS: dict[str, Any] = {
    "state": "online", "boot": 7, "firmware": "0.4", "held": 812, "dropped": 3,
    "probes": {"ph": "no answer", "safe mode": "after repeated failed starts"}, "config": 12, "refused": "version 13: interval is 5",
    "heap": 41_000, "rssi": -71, "reset": "power", "battery": 3.81, "power": "save",
}  # fmt: skip


def reply(**changes: Any) -> bytes:  # noqa: ANN401
    return json.dumps({"calibration": TOLD | changes}).encode()


def test_all_that_a_node_tells_of_itself_is_kept() -> None:
    state, detail = status_of(json.dumps(STATUS).encode())
    assert state == "online"
    assert detail == {name: value for name, value in STATUS.items() if name not in {"state", "probes"}} | {
        "faults": "ph: no answer",
        "safe_mode": "after repeated failed starts",
    }


def test_a_status_that_is_stored_goes_on_to_the_cloud_and_to_check(bench: Bench) -> None:
    bench.send(json.dumps(STATUS).encode(), channel=topics.STATUS)
    ((stored,),) = bench.rows("SELECT detail FROM statuses")
    assert json.loads(str(stored))["held"] == 812
    bench.send(json.dumps(STATUS).encode(), channel=topics.STATUS)
    assert bench.rows("SELECT count(*) FROM statuses") == [(1,)], "retained: it comes at every connection"


def test_a_calibration_becomes_an_entry_with_one_identity() -> None:
    entry = calibration_of(reply(), NODE, POND, NOON)
    assert entry is not None
    assert (entry["pond"], entry["at"], entry["by"], entry["where"]) == ("p0", NOON - 600, "Tư", "node")
    assert (entry["content"]["before"], entry["content"]["after"]) == ([100.0, 0.0], [96.4, -3.1])
    again = calibration_of(reply(sent=True), NODE, POND, NOON + 9)
    assert again == entry
    for changes in ({"time": NOON - 599}, {"quantity": "do"}):
        other = calibration_of(reply(**changes), NODE, POND, NOON)
        assert other is not None
        assert other["id"] != entry["id"]
    first, second = (calibration_of(reply(time=0, after=[n]), NODE, POND, NOON) for n in (1.0, 2.0))
    assert first is not None
    assert second is not None
    assert (first["at"], first["id"] == second["id"]) == (NOON, False), (
        "a node without a clock calibrated now, and twice is twice"
    )


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff", b"[]", b"{}", b'{"calibration": 1}', reply(time="x"), reply(quantity="gold"), reply(after="x"), reply(before=[1] * 9),
        reply(after=[], points=[]), reply(operator="x" * 200), reply(operator=5), reply(lot="a\nb"), reply(after=[float("nan")]),
    ],
)  # fmt: skip
def test_garbage_is_put_aside_and_harms_nothing(bench: Bench, payload: bytes) -> None:
    assert bench.send(payload, channel=topics.REPLY) == []
    assert bench.ingest.said == []
    ((reason,),) = bench.rows("SELECT reason FROM quarantine")
    assert len(str(reason)) > 10


def test_the_answer_to_a_technician_is_not_the_gateways_business(bench: Bench) -> None:
    bench.send(b'{"id": "a1", "error": "no probe"}', channel=topics.REPLY)
    assert (bench.ingest.said, bench.rows("SELECT count(*) FROM quarantine")) == ([], [(0,)])


@given(
    told=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TOLD, "points", "method"]), inner, max_size=6)
        ),
        max_leaves=12,
    )
)
def test_whatever_a_node_says_is_an_entry_or_a_fault_in_words(told: Any) -> None:  # noqa: ANN401
    try:
        entry = calibration_of(json.dumps({"calibration": told}).encode(), NODE, POND, NOON)
    except ContractError as error:
        fault = str(error)
        assert fault
    else:
        assert entry is not None
        assert entry_fault(entry, NOON) is None


async def test_calibrations_are_stored_once_and_told_to_the_pipeline(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[tuple[object, ...]] = []
    exchange = Exchange(bench.config, bench.ingest, lambda: None)
    monkeypatch.setattr(bench.ingest._pipeline, "note_calibration", lambda *told: noted.append(told))
    for _ in range(2):
        bench.send(reply(), channel=topics.REPLY)
        await exchange.apply()
    (entry,) = exchange._entries.unsent(10)  # for the cloud
    assert (entry["kind"], entry["content"]["lot"]) == ("calibration", TOLD["lot"])
    assert noted == [(NODE, "ph", NOON - 600, [100.0, 0.0], [96.4, -3.1])]
    assert bench.ingest.said == []
    bench.ingest.recover()
    monkeypatch.setattr(bench.ingest._pipeline, "note_calibration", lambda *told: noted.append(told))
    await exchange.apply()
    assert len(noted) == 2, "a pipeline that stands anew where the database stands is told again"
    exchange.close()


async def test_where_the_file_cannot_be_written_they_wait(bench: Bench) -> None:
    exchange = Exchange(bench.config, bench.ingest, lambda: None)
    bench.send(reply(), channel=topics.REPLY)
    with closing(sqlite3.connect(beside(bench.path), isolation_level=None)) as other:
        exchange._entries.connection.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN EXCLUSIVE")
        await exchange.apply()
        assert len(bench.ingest.said) == 1
    await exchange.apply()
    assert (len(bench.ingest.said), len(exchange._entries.unsent(10))) == (0, 1)
    exchange.close()


@contextmanager
def listening(bench: Bench, port: int) -> Iterator[asyncio.Task[None]]:
    task = asyncio.create_task(Broker("gw-1", Mqtt(port=port), bench.ingest, lambda: None).run())
    yield task
    task.cancel()


@pytest.mark.slow
async def test_a_gateway_killed_before_it_stored_a_calibration_gets_it_again(
    bench: Bench, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node forgets a calibration with the broker's PUBACK, so the broker must keep it until it is on the gateway's disk."""
    monkeypatch.setattr(mqtt_side, "RECONNECT", 0.1)
    topic = topics.topic(NODE, topics.REPLY)
    with listening(bench, mosquitto.port) as task:
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as node:
            for _ in range(100):  # until it has subscribed
                await node.publish(topic, b'{"id": "a1"}', qos=1)
                await asyncio.sleep(0.05)
                if bench.ingest.counts["messages"]:
                    break
            await node.publish(topic, reply(), qos=1)
            await asyncio.sleep(0.5)
        assert len(bench.ingest.said) == 1
    await asyncio.gather(task, return_exceptions=True)
    bench.restart()  # nothing was written
    exchange = Exchange(bench.config, bench.ingest, lambda: None)
    with listening(bench, mosquitto.port) as task:
        for _ in range(100):
            await exchange.apply()
            if exchange._entries.unsent(10):
                break
            await asyncio.sleep(0.05)
        (entry,) = exchange._entries.unsent(10)
        assert entry["content"]["lot"] == TOLD["lot"]
        await asyncio.sleep(0.3)  # its acknowledgement
    await asyncio.gather(task, return_exceptions=True)
    bench.restart()
    with listening(bench, mosquitto.port) as task:
        await asyncio.sleep(0.5)
        assert bench.ingest.said == [], "stored, so it does not come again"
    await asyncio.gather(task, return_exceptions=True)
    exchange.close()
