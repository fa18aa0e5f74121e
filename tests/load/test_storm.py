"""The line comes back and all gateways reconnect in the same second: real outboxes of gateways against a real ``vuong cloud serve``."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import insert

from cloud.accounts.tables import GatewayToken
from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from cloud.farms.tables import Gateway
from gateway import outbox
from gateway.config import Cloud
from gateway.outbox import Outbox
from gateway.store.outbound import Item, Part
from tests.cloud.batches import FARM, NOW, columns, sample
from tests.cloud.operations.processes import Server, held, own_postgresql, serving
from vuong.clock import SystemClock

pytestmark = pytest.mark.slow
# VUONG_STORM=10000 for the whole storm.
GATEWAYS = int(os.environ.get("VUONG_STORM", "1500"))


class OneSample:
    """Stands in for a gateway's database, of which ten thousand would be as many files: one sample waits until it is marked as taken."""

    name = "samples"

    def __init__(self, number: int, taken: asyncio.Event) -> None:
        self.number, self.taken, self.loop = number, taken, asyncio.get_running_loop()
        self.alarms = self.statuses = _Nothing()
        self.samples = self

    def waiting(self) -> int:
        return int(not self.taken.is_set())

    def next(self, limit: int) -> Part | None:
        return None if self.taken.is_set() else Part(self, 1, 1, [(1,)])

    def document(self, items: Sequence[Item]) -> dict[str, object]:
        return {"samples": columns([sample(self.number + 1, boot=5, time=NOW - 90_000 + self.number, do=5.0)])}

    def mark(self, part: Part, last: int) -> None:
        self.loop.call_soon_threadsafe(self.taken.set)


class _Nothing:
    def next(self, limit: int) -> None:
        return None


Try = tuple[float, int, float]  # when, status (0: no connection), Retry-After


class Line(httpx.AsyncHTTPTransport):
    """A gateway's line, which keeps what was answered and when."""

    def __init__(self, tries: list[Try], trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust)
        self.tries = tries

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        try:
            reply = await super().handle_async_request(request)
        except httpx.HTTPError:
            self.tries.append((began, 0, 0.0))
            raise
        self.tries.append((time.monotonic(), reply.status_code, float(reply.headers.get("Retry-After", 0))))
        return reply


@contextmanager
def farm(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of a database that knows all gateways."""

    def fill(url: str) -> str:
        engine = connect(url)
        migrate(engine)
        import_farm(engine, FARM, Path())
        names = [f"gw-{number}" for number in range(GATEWAYS)]
        with engine.begin() as connection:
            connection.execute(insert(Gateway), [{"id": name, "name": name, "cooperative_id": "coop-a"} for name in names])
            tokens = [{"digest": hashlib.sha256(f"token-{name}".encode()).hexdigest(), "gateway_id": name} for name in names]
            connection.execute(insert(GatewayToken), tokens)
        engine.dispose()
        return url

    if kind == "sqlite":
        yield fill(f"sqlite:///{folder}/cloud.db")
    else:
        with own_postgresql() as (url, _):
            yield fill(url)


async def storm(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[Try]]:
    """Let all gateways begin at once; return each one's tries."""
    trust, make, numbers = ssl.create_default_context(), httpx.AsyncClient, iter(range(GATEWAYS))
    tries = [list[Try]() for _ in range(GATEWAYS)]

    def client(timeout: float) -> httpx.AsyncClient:
        # A line each, with one set of certificates: reading them ten thousand times would be the test's own load.
        return make(transport=Line(tries[next(numbers)], trust), trust_env=False, timeout=timeout)

    monkeypatch.setattr(outbox.httpx, "AsyncClient", client)
    tasks, taken = list[asyncio.Task[None]](), [asyncio.Event() for _ in range(GATEWAYS)]
    for number in range(GATEWAYS):
        file = folder / f"token-{number}"
        file.write_text(f"token-gw-{number}", encoding="ascii")
        cloud, outbound = Cloud(server.address, file), OneSample(number, taken[number])
        tasks.append(asyncio.create_task(Outbox(f"gw-{number}", cloud, outbound, SystemClock()).run()))  # type: ignore[arg-type]
    for event in taken:
        await event.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return tries


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_thousands_of_gateways_reconnect_at_once(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with farm(kind, tmp_path) as url:
        with serving(url) as server:
            assert server.process is not None
            process, began = psutil.Process(server.process.pid), time.monotonic()
            tries = asyncio.run(storm(server, tmp_path, monkeypatch))
            spent, memory = time.monotonic() - began, process.memory_info().rss / 2**20
            monkeypatch.undo()
            assert httpx.get(server.address + "/readyz").status_code == 200
        rows = held(url)
    answers = Counter(status for own in tries for _, status, _ in own)
    most = max(len(own) for own in tries)
    told = f"{kind}: {GATEWAYS} gateways in {spent:.0f} s, server {memory:.0f} MiB, answers {dict(answers)}, most tries {most}"
    sys.stdout.write(told + "\n")
    assert sorted(rows) == [(1, 5, number + 1) for number in range(GATEWAYS)]
    assert answers.keys() <= {200, 503, 0}
    for own in tries:
        for (before, status, wait), (after, _, _) in pairwise(own):
            assert status != 503 or wait > 0, "turned away without being told when to come again"
            assert after - before >= max(wait, outbox.FIRST_WAIT) - 0.01
    returns = [own[1][0] for own in tries if len(own) > 1]
    assert len(returns) < 50 or max(returns) - min(returns) > 1, "they return as one"
    assert memory < 500, f"{memory:.0f} MiB"
