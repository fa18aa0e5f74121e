"""Nodes as the gateway's own ingest has stored them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from gateway.check import nodes
from gateway.check.finding import Finding
from gateway.ingest import Ingest
from gateway.store.store import Changes, Store
from tests.gateway.check.conftest import NODE, Gateway
from vuong.contract import topics
from vuong.contract.encode import json_pack

Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]


class Pond:
    """A gateway's ingest that hears one node."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.store = Store(gateway.config.database)
        self.ingest = Ingest(gateway.config, self.store, gateway.clock)
        self.seq = 0

    def sample(self, at: float) -> None:
        self.seq += 1
        self._take(topics.DATA, bytes(json_pack(NODE, [(7, self.seq, int(at), {"do": 600})], {7: 1})))

    def status(self, **fields: object) -> None:
        self._take(topics.STATUS, json.dumps({"state": "online", "boot": 7, **fields}).encode())

    def _take(self, channel: str, payload: bytes) -> None:
        self.ingest.take([(topics.topic(NODE, channel), payload)])
        self.ingest.commit()


@pytest.fixture
def pond(gateway: Gateway) -> Iterator[Pond]:
    made = Pond(gateway)
    yield made
    made.store.close()


def test_never_heard(gateway: Gateway, said: Said) -> None:
    assert said(nodes.check(gateway.subject)) == [("fail", "node.never")]
    Store(gateway.config.database).close()
    assert said(nodes.check(gateway.subject)) == [("fail", "node.never")]


def test_all_well(gateway: Gateway, pond: Pond, said: Said) -> None:
    pond.sample(gateway.clock.now() - 5)
    pond.status(battery=3.9, rssi=-61)
    assert said(nodes.check(gateway.subject)) == [("ok", "node.ok")]


def test_silent(gateway: Gateway, pond: Pond, said: Said) -> None:
    start = gateway.clock.now()
    pond.sample(start)
    gateway.clock.set(start + 901)
    [finding] = nodes.check(gateway.subject)
    assert (finding.key, finding.numbers["minutes"]) == ("node.silent", 15)
    gateway.clock.set(start + 899)
    assert said(nodes.check(gateway.subject)) == [("ok", "node.ok")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"battery": 3.45}, ("warn", "node.battery")),
        ({"battery": 3.1}, ("fail", "node.battery")),
        ({"rssi": -90}, ("warn", "node.signal")),
        ({"battery": "full", "rssi": None}, ("ok", "node.ok")),
    ],
)
def test_state_that_the_node_reports(
    gateway: Gateway, pond: Pond, said: Said, fields: dict[str, object], expected: tuple[str, str]
) -> None:
    pond.sample(gateway.clock.now())
    pond.status(**fields)
    assert said(nodes.check(gateway.subject)) == [expected]


@pytest.mark.parametrize(
    ("detail", "expected"), [({"held": 500}, ("warn", "node.holds")), ({"held": 3, "dropped": 2}, ("fail", "node.dropped"))]
)
def test_queue_that_the_node_reports(
    gateway: Gateway, pond: Pond, said: Said, detail: dict[str, int], expected: tuple[str, str]
) -> None:
    now = int(gateway.clock.now())
    pond.sample(now)
    pond.store.commit(Changes(statuses=[{"node": NODE, "time": now, "state": "online", "detail": dict(detail)}]))
    assert said(nodes.check(gateway.subject)) == [expected]


@pytest.mark.parametrize(
    ("drift", "expected"),
    [(0, ("ok", "node.ok")), (60, ("ok", "node.ok")), (600, ("warn", "node.clock_ahead")), (-600, ("warn", "node.clock_behind"))],
)
def test_clock_of_the_node(gateway: Gateway, pond: Pond, said: Said, drift: int, expected: tuple[str, str]) -> None:
    for _ in range(3):
        pond.sample(gateway.clock.now() + drift)
        gateway.clock.set(gateway.clock.now() + 60)
    assert said(nodes.check(gateway.subject)) == [expected]


def test_backlog_is_not_a_slow_clock(gateway: Gateway, pond: Pond, said: Said) -> None:
    """Stored readings are hours old when they arrive; the live one between them tells that the clock is right."""
    now = gateway.clock.now()
    for age in (9000, 8000, 0, 7000, 6000):
        pond.sample(now - age)
    assert said(nodes.check(gateway.subject)) == [("ok", "node.ok")]


def test_damaged_database_does_not_end_the_check(gateway: Gateway, said: Said) -> None:
    gateway.config.database.write_bytes(b"not a database" * 100)
    assert said(nodes.check(gateway.subject)) == [("fail", "node.never")]
