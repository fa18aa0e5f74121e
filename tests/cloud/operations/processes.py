"""``vuong cloud serve`` and PostgreSQL as processes that may be killed, and gateways that keep sending until they are acknowledged."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from sqlalchemy import text

from cloud.database import connect
from tests.cloud.batches import NOW, TOKENS, batch, packed, sample
from tests.cloud.conftest import add_postgis

HEADERS = {"Authorization": f"Bearer {TOKENS['gw-a']}", "Content-Encoding": "gzip"}
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_postgres(folder: Path) -> list[str]:
    """Give a folder to who may run PostgreSQL; return what goes before its commands."""
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam("postgres")
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return ["runuser", "-u", "postgres", "--"]


class Server:
    """``vuong cloud serve`` as a process that may be killed and started again on one port."""

    process: subprocess.Popen[bytes] | None

    def __init__(self, url: str) -> None:
        self.port = free_port()
        self.url, self.address, self.process = url, f"http://127.0.0.1:{self.port}", None

    def start(self, log: IO[bytes] | int = subprocess.DEVNULL) -> None:
        command = [sys.executable, "-m", "vuong", "cloud", "serve", "--port", str(self.port)]
        command += ["--database", self.url, "--clock", f"{time.time()},{NOW},1"]
        environment = os.environ | {"VUONG_SECRET_KEY": "k" * 40}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
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

    def stop(self) -> None:
        """End it as systemd does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)


@contextmanager
def serving(url: str) -> Iterator[Server]:
    """Serve a database by a process of its own."""
    server = Server(url)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Uplink(threading.Thread):
    """A gateway: sends its batches in order, each again and again until it is acknowledged."""

    def __init__(self, server: Server, boot: int, batches: int, rows: int = 40, seconds: float = 120) -> None:
        super().__init__()
        self.server, self.boot, self.rows, self.seconds = server, boot, rows, seconds
        self.acknowledged, self.refused = 0, 0
        self.bodies = [
            packed(batch([sample(n * rows + k + 1, boot=boot, time=NOW - 90_000 + n * rows + k, do=5.0) for k in range(rows)]))
            for n in range(batches)
        ]

    def run(self) -> None:
        end = time.monotonic() + self.seconds
        with httpx.Client(timeout=30) as client:
            for body in self.bodies:
                while time.monotonic() < end:
                    try:
                        reply = client.post(self.server.address + "/api/v1/batches", content=body, headers=HEADERS)
                    except httpx.TransportError:
                        time.sleep(0.1)
                        continue
                    if reply.status_code == 200:
                        self.acknowledged += 1
                        break
                    assert reply.status_code == 503, reply.text
                    assert int(reply.headers["Retry-After"]) > 0
                    self.refused += 1
                    time.sleep(0.1)

    def expected(self) -> set[tuple[int, int, int]]:
        """Return what was acknowledged, as `held` tells it."""
        return {(1, self.boot, seq) for seq in range(1, self.acknowledged * self.rows + 1)}


def held(url: str) -> list[tuple[int, int, int]]:
    """Return the samples of a database as (node, boot, seq)."""
    engine = connect(url)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("SELECT node_id, boot, seq FROM samples"))]
    engine.dispose()
    return rows  # type: ignore[return-value]


@contextmanager
def own_postgresql(folder: Path | None = None) -> Iterator[tuple[str, Callable[..., None]]]:
    """Give a PostgreSQL of a test's own, durable, in `folder` where that is given, and a function that controls it."""
    if not BINARIES:
        pytest.skip("LEFT OUT: PostgreSQL is not installed here (Debian: postgresql)")
    with tempfile.TemporaryDirectory(prefix="vuong-pg-", dir=folder) as name:
        home = Path(name)
        as_user = as_postgres(home)

        def run(program: str, *arguments: str) -> None:
            command = [*as_user, str(BINARIES[-1] / program), "-D", f"{home}/db", *arguments]
            subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL)

        run("initdb", "-U", "vuong", "-A", "trust", "--encoding=UTF8", "--locale=C.UTF-8")
        options = f"-c listen_addresses= -c unix_socket_directories={home}"

        def control(what: str, *arguments: str) -> None:
            run("pg_ctl", "-w", "-l", f"{home}/log", "-o", options, what, *arguments)

        control("start")
        try:
            url = f"postgresql://vuong@/postgres?host={home}"
            add_postgis(url)
            yield url, control
        finally:
            control("stop", "-m", "immediate")
