"""The outbox against a real HTTP server that fails, doubles, stalls and refuses."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway import outbox as module
from gateway.config import Cloud
from gateway.outbox import CloudError, Outbox
from gateway.store.outbound import Outbound

if TYPE_CHECKING:
    from .conftest import Bench

Pack = Callable[..., bytes]
NOON = 1_763_614_800


@dataclass
class FakeCloud:
    """A server that keeps what it was sent; `answers` are given first, each (status, body or None for the usual one)."""

    answers: list[tuple[int, dict[str, Any] | None]] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    samples: dict[tuple[str, int, int], int] = field(default_factory=dict)
    url: str = ""

    def answer(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        document = json.loads(gzip.decompress(body))
        self.requests.append((headers, document))
        if self.answers:
            status, reply = self.answers.pop(0)
            if reply is not None or status != 200:
                return status, reply or {}
        columns = document.get("samples", {"node": [], "boot": [], "seq": []})
        keys = list(zip(columns["node"], columns["boot"], columns["seq"], strict=True))
        if any(seq in self.poison for _, _, seq in keys):
            return 422, {"error": "a row that no cloud can take"}
        for key in keys:
            self.samples[key] = self.samples.get(key, 0) + 1
        return 200, {"accepted": document["last"], "quarantined": []}

    def of(self, stream: str) -> list[dict[str, Any]]:
        return [document for _, document in self.requests if stream in document]


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    fake = FakeCloud()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/api/v1/batches"
            status, reply = fake.answer(dict(self.headers), body)
            text = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def outbound(bench: Bench) -> Iterator[Outbound]:
    made = Outbound(bench.path)
    yield made
    made.close()


def make_outbox(bench: Bench, outbound: Outbound, url: str) -> Outbox:
    token = bench.path.with_name("token")
    token.write_text("secret-token\n", encoding="ascii")
    return Outbox("gw-1", Cloud(url, token), outbound, bench.clock)


async def drain(outbox: Outbox) -> None:
    async with httpx.AsyncClient(timeout=2) as client:
        await outbox.drain(client)


async def test_everything_goes_once_with_its_headers(bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound) -> None:
    bench.send(make_pack(1, do=6.0), make_pack(2, temperature=85.0))
    bench.send(b'{"state": "online", "firmware": "1"}', channel="status")
    outbox = make_outbox(bench, outbound, cloud.url)
    await drain(outbox)
    await drain(outbox)
    assert len(cloud.requests) == 2
    headers, document = cloud.requests[-1]
    assert headers["Authorization"] == "Bearer secret-token"
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Idempotency-Key"] == "gw-1/samples/1-2"
    assert document == {
        "version": 1, "gateway": "gw-1", "first": 1, "last": 2,
        "samples": {
            "node": ["00124b0000000001"] * 2, "boot": [7, 7], "seq": [1, 2], "time": [NOON] * 2, "arrived": [NOON] * 2,
            "values": {"temperature": [None, 85.0], "do": [6.0, None]},
            "flags": {"temperature": [None, 4], "do": [1, None]},
            "reasons": {"1": {"temperature": {"key": "physical_range", "value": 85.0, "low": -5.0, "high": 50.0}}},
        },
    }  # fmt: skip
    assert cloud.of("statuses")[0]["statuses"] == [
        {"node": "00124b0000000001", "time": NOON, "state": "online", "detail": {"firmware": "1"}}
    ]


async def test_alarms_go_first_and_each_revision_again(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound
) -> None:
    bench.send(make_pack(1, ph=6.5))
    bench.send(make_pack(2, at=NOON, do=2.5))
    outbox = make_outbox(bench, outbound, cloud.url)
    await drain(outbox)
    first = cloud.requests[0][1]
    assert [a["kind"] for a in first["alarms"]] == ["oxygen_critical", "ph_low_critical"], "newest first"
    assert "samples" in cloud.requests[1][1]
    for minutes in (30, 60):
        bench.clock.set(NOON + minutes * 60)
        bench.send(make_pack(minutes, at=NOON + minutes * 60, do=6.0, ph=8.0))
    await drain(outbox)
    again = [a for document in cloud.of("alarms")[1:] for a in document["alarms"]]
    assert {(a["kind"], a["revision"], a["state"]) for a in again} == {
        ("oxygen_critical", 2, "returned"),
        ("ph_low_critical", 2, "returned"),
    }
    assert {a["id"] for a in again} == {a["id"] for a in first["alarms"]}


async def test_what_was_marked_stays_marked(bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound) -> None:
    bench.send(*(make_pack(seq) for seq in range(1, 21)))
    cloud.answers = [(200, {"accepted": 12})]
    await drain(make_outbox(bench, outbound, cloud.url))
    assert [(d["first"], d["last"]) for d in cloud.of("samples")] == [(1, 20), (13, 20)], "on from the reply's position"
    again = Outbound(bench.path)
    assert again.samples.waiting() == 0
    assert again.samples.next(10) is None
    again.close()


@pytest.mark.parametrize(
    ("status", "told"), [(500, "500"), (429, "429"), (401, "token"), (403, "token"), (404, "404"), (302, "302")]
)
async def test_a_failure_of_the_cloud_loses_nothing_and_says_what_to_do(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound, status: int, told: str
) -> None:
    bench.send(make_pack(1))
    cloud.answers = [(status, {})]
    outbox = make_outbox(bench, outbound, cloud.url)
    with pytest.raises(CloudError, match=told) as caught:
        await drain(outbox)
    assert "secret-token" not in str(caught.value)
    await drain(outbox)
    assert list(cloud.samples.values()) == [1]


async def test_a_reply_that_is_none_is_not_believed(bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound) -> None:
    bench.send(make_pack(1))
    for reply in ({"welcome": "to the hotel's Wi-Fi"}, {"accepted": "x"}, {"accepted": 0}):
        cloud.answers = [(200, reply)]
        with pytest.raises(CloudError):
            await drain(make_outbox(bench, outbound, cloud.url))
    assert outbound.samples.waiting() == 1


async def test_no_server_and_no_token_file(bench: Bench, make_pack: Pack, outbound: Outbound) -> None:
    bench.send(make_pack(1))
    with pytest.raises(CloudError, match="cannot be reached"):
        await drain(make_outbox(bench, outbound, "http://127.0.0.1:9"))
    outbox = Outbox("gw-1", Cloud("http://127.0.0.1:9", Path("/nonexistent/token")), outbound, bench.clock)
    with pytest.raises(CloudError, match=r"token file /nonexistent/token"):
        await drain(outbox)


async def test_a_poisoned_row_is_found_and_the_rest_goes_on(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound, caplog: pytest.LogCaptureFixture
) -> None:
    bench.send(*(make_pack(seq) for seq in range(1, 101)))
    cloud.poison = {37, 80}
    with caplog.at_level(logging.ERROR):
        await drain(make_outbox(bench, outbound, cloud.url))
    assert {seq for _, _, seq in cloud.samples} == set(range(1, 101)) - {37, 80}
    rows = bench.rows("SELECT source, content FROM quarantine ORDER BY position")
    assert [source for source, _ in rows] == ["outbox/samples/37", "outbox/samples/80"]
    assert json.loads(rows[0][1])["samples"]["seq"] == [37]  # type: ignore[arg-type]
    assert "37" in caplog.text
    assert outbound.samples.waiting() == 0


async def test_a_cloud_that_refuses_everything_is_not_believed(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound
) -> None:
    bench.send(*(make_pack(seq) for seq in range(1, 101)))
    cloud.poison = set(range(1, 101))
    with pytest.raises(CloudError, match="refuses every row"):
        await drain(make_outbox(bench, outbound, cloud.url))
    assert outbound.samples.waiting() == 80


async def test_after_a_long_outage_the_newest_go_ahead_and_then_take_turns(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS", 100)
    bench.send(*(make_pack(seq) for seq in range(1, 2001)))
    await drain(make_outbox(bench, outbound, cloud.url))
    spans = [(d["first"], d["last"]) for d in cloud.of("samples")]
    assert spans[0] == (1501, 1600), "live first"
    assert spans[1] == (1, 100), "then the oldest"
    assert set(cloud.samples.values()) == {1}
    assert len(cloud.samples) == 2000
    assert bench.rows("SELECT first, last FROM outbox") == [(1, 2000)]


async def test_it_keeps_trying_and_says_so_once(
    bench: Bench, make_pack: Pack, cloud: FakeCloud, outbound: Outbound, caplog: pytest.LogCaptureFixture
) -> None:
    """A simulated day without cloud: the clock's own time passes in the waits."""
    bench.send(make_pack(1))
    cloud.answers = [(503, {})] * 60
    outbox = make_outbox(bench, outbound, cloud.url)
    task = asyncio.create_task(outbox.run())
    async with asyncio.timeout(20):
        while not cloud.samples:  # noqa: ASYNC110 - the server lives in a thread
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    waited = bench.clock.now() - NOON
    assert 60 * 150 * 0.8 < waited < 60 * 300, "back-off grows to minutes, with jitter"
    assert len([r for r in caplog.records if "answered 503" in r.getMessage()]) == 2
