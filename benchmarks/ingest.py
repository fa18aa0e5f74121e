"""Points per second into the cloud over HTTP, on SQLite and PostgreSQL, beside the bare engine on the same machine in the same run.

usage: python benchmarks/ingest.py [--points N] [--rows N] [--json]

A point is one reading; a sample has four. The bare engine writes the same rows into the same tables from memory: no HTTP, no gzip, no checks.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import Engine, func, select
from tqdm import tqdm

from cloud.database import connect, migrate
from cloud.farms.importer import import_farm
from cloud.telemetry.store import insert_samples
from cloud.telemetry.tables import Sample
from cloud.telemetry.validation import check_samples

TOKEN = "benchmark-token-0123456789abcdef"
NODES = 50
QUANTITIES = ("temperature", "do", "ph", "salinity")
START = 1_760_000_000


def farm() -> dict[str, Any]:
    """Return a farm of one co-op with `NODES` ponds of one node."""
    return {
        "cooperatives": [{"id": "coop", "name": "Coop"}],
        "gateways": [{"id": "gw", "cooperative": "coop", "token": TOKEN}],
        "ponds": [{"id": f"p{n}", "cooperative": "coop", "name": f"Pond {n}", "species": "vannamei"} for n in range(NODES)],
        "nodes": [{"id": f"{n:016x}", "pond": f"p{n}"} for n in range(NODES)],
    }


def batch(first: int, rows: int) -> dict[str, Any]:
    """Return a batch of `rows` samples from position `first`: all nodes in turn, a sample a minute."""
    positions = range(first, first + rows)
    samples = {
        "node": [f"{n % NODES:016x}" for n in positions],
        "boot": [7] * rows,
        "seq": [n // NODES + 1 for n in positions],
        "time": [START + n // NODES * 60 for n in positions],
        "arrived": [START + n // NODES * 60 + 1 for n in positions],
        "values": {name: [20 + (n * 37 + index) % 1000 / 100 for n in positions] for index, name in enumerate(QUANTITIES)},
        "flags": {name: [1] * rows for name in QUANTITIES},
        "reasons": {},
    }
    return {
        "version": 1,
        "gateway": "gw",
        "first": first,
        "last": first + rows - 1,
        "samples": samples,
        "alarms": [],
        "statuses": [],
    }


@contextmanager
def postgresql(directory: Path, *settings: str) -> Iterator[str]:
    """Give the URL of a private PostgreSQL on a Unix socket, with `settings` (``name=value``); root starts it as user postgres."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not binaries:
        sys.exit("PostgreSQL is not installed (Debian: postgresql)")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    data = directory / "pg"
    data.mkdir(mode=0o700)
    if as_user:
        entry = pwd.getpwnam("postgres")
        os.chown(data, entry.pw_uid, entry.pw_gid)
    log = data / "log"

    def run(program: str, *arguments: str) -> None:
        command = [*as_user, str(binaries[-1] / program), "-D", str(data / "db"), *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=data)

    run("initdb", "-U", "vuong", "-A", "trust", "--no-sync")
    options = " ".join(f"-c {setting}" for setting in ("listen_addresses=", f"unix_socket_directories={data}", *settings))
    run("pg_ctl", "-l", str(log), "-o", options, "-w", "start")
    try:
        url = f"postgresql://vuong@/postgres?host={data}"
        engine = connect(url)
        with engine.begin() as connection:  # as an administrator does before the tables are made
            if connection.exec_driver_sql("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").first():
                connection.exec_driver_sql("CREATE EXTENSION postgis")
        engine.dispose()
        yield url
    finally:
        run("pg_ctl", "-m", "fast", "-w", "stop")


def bare(engine: Engine, batches: list[dict[str, Any]]) -> float:
    """Return the points per second of the engine alone."""
    nodes = {f"{n:016x}": n + 1 for n in range(NODES)}
    checked = [check_samples(document["samples"], nodes, START + 10**8) for document in batches]
    began = time.perf_counter()
    for samples in checked:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            insert_samples(connection, samples)
    spent = time.perf_counter() - began
    return stored(engine) * len(QUANTITIES) / spent


def stored(engine: Engine) -> int:
    """Return how many samples there are."""
    with engine.connect() as connection:
        return int(connection.scalar(select(func.count()).select_from(Sample.__table__)) or 0)


@contextmanager
def serving(url: str) -> Iterator[str]:
    """Give the address of one ``vuong cloud serve`` on a database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vuong", "cloud", "serve", "--port", str(port), "--database", url]
    # Its log is left out: what is printed here is the figures.
    server = subprocess.Popen(command, env=os.environ | {"VUONG_SECRET_KEY": "k" * 32}, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            if server.poll() is not None:
                raise SystemExit("the server ended; start it by hand to see why")
            try:
                httpx.get(address + "/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def over_http(url: str, bodies: list[tuple[str, bytes]]) -> tuple[float, float]:
    """Return the points per second through one worker of the server, and again when all is sent a second time."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Encoding": "gzip"}
    rates = []
    with serving(url) as address, httpx.Client(base_url=address, headers=headers, timeout=120) as client:
        for turn in ("first time", "sent again"):
            began, points = time.perf_counter(), 0
            for span, body in tqdm(bodies, desc=turn, leave=False, file=sys.stderr):
                reply = client.post("/api/v1/batches", content=body, headers={"Idempotency-Key": f"gw/samples/{span}"})
                reply.raise_for_status()
                if reply.json()["quarantined"]:
                    raise SystemExit(f"quarantined: {reply.json()['quarantined'][:1]}")
                first, last = map(int, span.split("-"))
                points += (last - first + 1) * len(QUANTITIES)
            rates.append(points / (time.perf_counter() - began))
    return rates[0], rates[1]


def measure(name: str, url: str, bare_url: str, batches: list[dict[str, Any]], bodies: list[tuple[str, bytes]]) -> dict[str, Any]:
    """Return the figures of one store."""
    engine, alone = connect(url), connect(bare_url)
    for each in (engine, alone):
        migrate(each)
    import_farm(engine, farm(), Path())
    bare_rate = bare(alone, batches)
    first, again = over_http(url, bodies)
    expected = sum(len(document["samples"]["node"]) for document in batches)
    if stored(engine) != expected:
        raise SystemExit(f"{name}: {stored(engine)} samples stored where {expected} were sent, twice each")
    for each in (engine, alone):
        each.dispose()
    return {
        "store": name,
        "http": round(first),
        "again": round(again),
        "bare": round(bare_rate),
        "ratio": round(first / bare_rate, 2),
    }


def main() -> int:
    """Measure both stores and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=2_000_000, help="points to send (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=5000, help="samples a batch (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    count = max(1, arguments.points // len(QUANTITIES) // arguments.rows)
    batches = [batch(1 + index * arguments.rows, arguments.rows) for index in range(count)]
    bodies = [(f"{b['first']}-{b['last']}", gzip.compress(orjson.dumps(b), 1)) for b in batches]
    directory = Path(tempfile.mkdtemp(prefix="vuong-ingest-"))
    directory.chmod(0o755)
    try:
        results = [measure("SQLite", f"sqlite:///{directory}/a.db", f"sqlite:///{directory}/b.db", batches, bodies)]
        with postgresql(directory) as url:
            admin = connect(url)
            with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("CREATE DATABASE bare")
            admin.dispose()
            results.append(measure("PostgreSQL", url, url.replace("/postgres?", "/bare?"), batches, bodies))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if arguments.json:
        print(json.dumps({"points": count * arguments.rows * len(QUANTITIES), "rows": arguments.rows, "results": results}))
        return 0
    print(f"{count} batches of {arguments.rows} samples of {len(QUANTITIES)} points; one server process, one client")
    print(f"{'store':<12}{'HTTP points/s':>16}{'sent again':>14}{'bare engine':>14}{'HTTP/bare':>12}")
    for row in results:
        print(f"{row['store']:<12}{row['http']:>16,}{row['again']:>14,}{row['bare']:>14,}{row['ratio']:>12}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
