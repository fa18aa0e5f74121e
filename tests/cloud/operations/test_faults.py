"""What goes wrong around a cloud, with real processes: nothing acknowledged is lost, nothing is doubled, and it comes back by itself."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import Engine, event, insert, text

from cloud.accounts.tables import GatewayToken
from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from cloud.farms.tables import Gateway
from cloud.telemetry.ingest import Sender, take
from cloud.telemetry.rollups import roll_up
from tests.cloud.batches import FARM, NOW, TOKENS, batch, packed, sample

pytestmark = pytest.mark.slow
HEADERS = {"Authorization": f"Bearer {TOKENS['gw-a']}", "Content-Encoding": "gzip"}
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """``vuong cloud serve`` as a process that may be killed and started again on one port."""

    def __init__(self, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.address, self.process = url, f"http://127.0.0.1:{self.port}", None

    process: subprocess.Popen[bytes] | None

    def start(self) -> None:
        clock = f"{time.time()},{NOW},1"
        command = [
            sys.executable,
            "-m",
            "vuong",
            "cloud",
            "serve",
            "--port",
            str(self.port),
            "--database",
            self.url,
            "--clock",
            clock,
        ]
        environment = os.environ | {"VUONG_SECRET_KEY": "k" * 40}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            assert self.process.poll() is None, "the server ended"
            try:
                httpx.get(self.address + "/healthz")
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        pytest.fail("the server did not start")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)


@contextmanager
def serving(url: str) -> Iterator[Server]:
    server = Server(url)
    server.start()
    try:
        yield server
    finally:
        if server.process is not None:
            server.process.terminate()
            server.process.wait(30)


class Uplink(threading.Thread):
    """A gateway: sends its batches in order, each again and again until it is acknowledged."""

    def __init__(self, server: Server, boot: int, batches: int, rows: int = 40) -> None:
        super().__init__()
        self.server, self.acknowledged, self.tries = server, 0, 0
        self.bodies = [
            packed(batch([sample(n * rows + k + 1, boot=boot, time=NOW - 90_000 + n * rows + k, do=5.0) for k in range(rows)]))
            for n in range(batches)
        ]

    def run(self) -> None:
        end = time.monotonic() + 120
        with httpx.Client(timeout=10) as client:
            for body in self.bodies:
                while time.monotonic() < end:
                    self.tries += 1
                    try:
                        reply = client.post(self.server.address + "/api/v1/batches", content=body, headers=HEADERS)
                    except httpx.TransportError:
                        time.sleep(0.1)
                        continue
                    if reply.status_code == 200:
                        self.acknowledged += 1
                        break
                    assert reply.status_code == 503, reply.text
                    time.sleep(0.1)


def held(url: str) -> list[tuple[int, int, int]]:
    engine = connect(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("SELECT node_id, boot, seq FROM samples"))]
    engine.dispose()
    return rows  # type: ignore[return-value]


def test_a_worker_killed_in_the_middle_of_batches(store: Callable[[str], AbstractContextManager[str]]) -> None:
    chance = random.Random(7)
    with store("farm") as url, serving(url) as server:
        gateways = [Uplink(server, boot, 40) for boot in range(3)]
        for gateway in gateways:
            gateway.start()
        for _ in range(3):
            time.sleep(chance.uniform(0.1, 0.6))
            server.kill()
            server.start()
        for gateway in gateways:
            gateway.join()
        assert [gateway.acknowledged for gateway in gateways] == [40] * 3
        rows = held(url)
        assert len(rows) == len(set(rows)) == 3 * 40 * 40


@contextmanager
def own_postgresql() -> Iterator[tuple[str, Callable[..., None]]]:
    """Give a PostgreSQL of this test's own, durable, and a function that controls it."""
    if not _BINARIES:
        pytest.skip("LEFT OUT: PostgreSQL is not installed here (Debian: postgresql)")
    with tempfile.TemporaryDirectory(prefix="vuong-pg-") as folder:
        home, as_user = Path(folder), list[str]()
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(home, entry.pw_uid, entry.pw_gid)
            as_user = ["runuser", "-u", "postgres", "--"]

        def run(program: str, *arguments: str) -> None:
            command = [*as_user, str(_BINARIES[-1] / program), "-D", f"{home}/db", *arguments]
            subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL)

        run("initdb", "-U", "vuong", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses= -c unix_socket_directories={home}"

        def control(what: str, *arguments: str) -> None:
            run("pg_ctl", "-w", "-l", f"{home}/log", "-o", options, what, *arguments)

        control("start")
        try:
            yield f"postgresql://vuong@/postgres?host={home}", control
        finally:
            control("stop", "-m", "immediate")


def test_postgresql_crashes_and_comes_back_under_load() -> None:
    with own_postgresql() as (url, control):
        engine = connect(url)
        migrate(engine)
        import_farm(engine, FARM, Path())
        engine.dispose()
        with serving(url) as server:
            gateways = [Uplink(server, boot, 40) for boot in range(3)]
            for gateway in gateways:
                gateway.start()
            for _ in range(2):
                time.sleep(0.5)
                control("stop", "-m", "immediate")
                time.sleep(0.3)
                assert httpx.get(server.address + "/readyz", timeout=20).status_code == 503
                control("start")
            for gateway in gateways:
                gateway.join()
            assert httpx.get(server.address + "/readyz", timeout=20).status_code == 200
            assert [gateway.acknowledged for gateway in gateways] == [40] * 3
            rows = held(url)
            assert len(rows) == len(set(rows)) == 3 * 40 * 40


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_full_database_refuses_keeps_what_it_has_and_goes_on_when_there_is_room(engine: Engine, client: httpx.Client) -> None:
    """SQLite's own limit of pages gives the very error of a full disk, SQLITE_FULL, from the very place."""
    pages = 200

    @event.listens_for(engine, "checkout")
    def _limit(connection: sqlite3.Connection, record: object, proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    bodies = [
        packed(batch([sample(n * 500 + k + 1, time=NOW - 90_000 + n * 500 + k, do=5.0) for k in range(500)])) for n in range(30)
    ]
    codes = [client.post("/api/v1/batches", content=body, headers=HEADERS).status_code for body in bodies]
    assert codes[0] == 200
    assert codes[-1] == 503
    assert set(codes) == {200, 503}
    assert client.get("/healthz").status_code == 200
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM samples")) == 500 * codes.count(200)
    pages = 2**30
    assert {client.post("/api/v1/batches", content=body, headers=HEADERS).status_code for body in bodies} == {200}
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM samples")) == 15_000
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the store is not reached
def test_slow_and_silent_clients_hold_nobody_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.telemetry.api.SILENCE", 1)
    host, port = client.base_url.host, client.base_url.port
    head = (
        f"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: {HEADERS['Authorization']}\r\nContent-Length: 5000\r\n\r\n"
    )
    slow = [socket.create_connection((host, port)) for _ in range(150)]  # more than there are threads and connections
    for line in slow:
        line.sendall(head.encode() + b"x")
    began = time.monotonic()
    assert client.post("/api/v1/batches", content=packed(batch([sample(1, do=5.0)])), headers=HEADERS).status_code == 200
    assert time.monotonic() - began < 5
    answers = set()
    for line in slow:
        line.settimeout(20)
        answers.add(line.recv(200).split(b"\r\n")[0])
        line.close()
    assert answers == {b"HTTP/1.1 408 Request Timeout"}


def test_a_clock_that_is_wrong_spoils_only_its_own_samples(engine: Engine) -> None:
    rows = [sample(n, time=NOW - n * 60, do=5.0) for n in range(1, 5)]
    rows += [sample(5, time=NOW + 3 * 86_400, do=6.0), sample(6, time=1000, do=6.0), sample(7, time=946_684_900, do=6.5)]
    reply = take(engine, packed(batch(rows)), "gzip", sender=Sender("gw-a", "coop-a"), idempotency_key=None, now=NOW)
    assert [entry["row"] for entry in reply["quarantined"]] == [4, 5]
    assert all(entry["reason"].startswith("time is") for entry in reply["quarantined"])
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM samples")) == 5
        assert connection.scalar(text('SELECT "do" FROM latest')) == 5.0


def test_numbers_that_would_poison_a_rollup_are_put_aside(engine: Engine) -> None:
    bad = {1: 1e308, 2: -1.7e308, 3: 5.0, 2**63 - 2: 5.5, 2**63 - 1: 6.0, 9: 10**18}
    rows = [sample(seq, time=NOW - 50, do=value) for seq, value in bad.items()]
    for _ in range(2):
        reply = take(engine, packed(batch(rows)), "gzip", sender=Sender("gw-a", "coop-a"), idempotency_key=None, now=NOW)
        assert [entry["row"] for entry in reply["quarantined"]] == [0, 1, 4, 5]
    assert roll_up(engine, NOW + 86_400) == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT do_n, do_sum FROM hourly")).all() == [(2, 10.5)]


# VUONG_STORM=10000 for the whole storm: it takes minutes on two busy cores.
GATEWAYS = int(os.environ.get("VUONG_STORM", "1500"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_thousands_of_gateways_reconnect_at_once(store: Callable[[str], AbstractContextManager[str]]) -> None:
    with store("farm") as url:
        engine = connect(url)
        with engine.begin() as connection:
            names = [f"gw-{n}" for n in range(GATEWAYS)]
            connection.execute(insert(Gateway), [{"id": name, "name": name, "cooperative_id": "coop-a"} for name in names])
            tokens = [{"digest": hashlib.sha256(f"token-{name}".encode()).hexdigest(), "gateway_id": name} for name in names]
            connection.execute(insert(GatewayToken), tokens)
        engine.dispose()
        with serving(url) as server:
            assert server.process is not None
            process, refused = psutil.Process(server.process.pid), 0

            async def one(client: httpx.AsyncClient, number: int) -> None:
                nonlocal refused
                document = batch([sample(number + 1, boot=5, time=NOW - 90_000 + number, do=5.0)], gateway=f"gw-{number}")
                headers = {"Authorization": f"Bearer token-gw-{number}", "Content-Encoding": "gzip"}
                for turn in range(60):
                    try:
                        reply = await client.post("/api/v1/batches", content=packed(document), headers=headers)
                        if reply.status_code == 200:
                            return
                        assert reply.status_code == 503, reply.text
                    except httpx.TransportError:
                        pass
                    refused += 1
                    await asyncio.sleep(random.uniform(0.5, 2 + min(turn, 8)))
                pytest.fail(f"gateway {number} was never heard")

            async def storm() -> None:
                limits = httpx.Limits(max_connections=2000, max_keepalive_connections=0)
                async with httpx.AsyncClient(
                    base_url=server.address, limits=limits, timeout=httpx.Timeout(60, pool=None)
                ) as client:
                    await asyncio.gather(*(one(client, number) for number in range(GATEWAYS)))

            asyncio.run(storm())
            memory = process.memory_info().rss / 2**20
            assert httpx.get(server.address + "/readyz").status_code == 200
        rows = held(url)
        assert len(rows) == len(set(rows)) == GATEWAYS
        assert memory < 500, f"{memory:.0f} MiB"
