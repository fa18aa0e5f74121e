"""How fast questions are answered as the record grows, on both stores: last values of all ponds, one pond's 24 h, 30 days of hours.

usage: python benchmarks/query.py [--ponds N] [--points N,N,…] [--store sqlite|postgresql] [--json]

The record is filled by SQL, its hours by the sums that the job uses: both far faster than over HTTP, and not what is measured. The
questions are asked over HTTP: one `vuong cloud serve`, an official who sees all ponds, each reply read whole; last values as
columns and as a list. Bytes a point are those of the tables.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from ingest import postgresql, serving
from sqlalchemy import Engine, insert, select, text
from tqdm import tqdm

from cloud.accounts import people
from cloud.accounts.service import open_session
from cloud.database import connect, migrate, sqlite_path
from cloud.farms.importer import import_farm
from cloud.farms.tables import Cooperative, Node, Pond
from cloud.telemetry.partitions import ensure
from cloud.telemetry.rollups import HOUR, hour_of, sample_parts
from cloud.telemetry.tables import Hourly, Sample

QUANTITIES = ("temperature", "do", "ph", "salinity")
END = 1_795_200_000 // HOUR * HOUR
STEP = 900
PASSWORD = "only-of-this-benchmark"
_SETTINGS = ("shared_buffers=2GB", "max_wal_size=8GB", "work_mem=256MB", "synchronous_commit=off")


def farm(engine: Engine, ponds: int) -> None:
    """Store a farm of one node a pond, a hundred ponds a co-op, and an official."""
    with engine.begin() as connection:
        coops = [f"c{n}" for n in range((ponds + 99) // 100)]
        connection.execute(insert(Cooperative), [{"id": name, "name": name} for name in coops])
        rows = [
            {"id": f"p{n}", "name": f"Pond {n}", "species": "vannamei", "limits": {}, "cooperative_id": f"c{n // 100}"}
            for n in range(ponds)
        ]
        connection.execute(insert(Pond), rows)
        nodes = [{"id": n + 1, "eui": f"{n:016x}", "pond_id": f"p{n}", "cooperative_id": f"c{n // 100}"} for n in range(ponds)]
        connection.execute(insert(Node), nodes)
    import_farm(engine, {"users": [{"login": "all", "name": "All", "role": "official", "password": PASSWORD}]}, Path())


def fill(engine: Engine, ponds: int, first: int, steps: int) -> float:
    """Add all ponds' samples of the moments `first` to `steps` back from the end, and their hours; return the points per second."""
    embedded = sqlite_path(engine) is not None
    chance = "abs(random() % 2700) / 100.0 + 3" if embedded else "round((random() * 27 + 3)::numeric, 2)"
    columns = ", ".join([*(f'"{name}"' for name in QUANTITIES), *(f"{name}_flag" for name in QUANTITIES)])
    values = ", ".join([*([chance] * len(QUANTITIES)), *(["1"] * len(QUANTITIES))])
    # SQLite keeps rows in order of node anyway; PostgreSQL keeps them as they come: all ponds, then all ponds a step later.
    order, each = ("id, step DESC", 250) if embedded else ("step DESC, id", 50)
    statement = text(
        "WITH RECURSIVE moments(step) AS "
        "(SELECT CAST(:last AS bigint) UNION ALL SELECT step - 1 FROM moments WHERE step > :first) "
        f"INSERT INTO samples (node_id, time, boot, seq, arrived, {columns}) "
        f"SELECT id, {END} - step * {STEP}, 1, 1000000 - step, {END} - step * {STEP} + 2, {values} "
        f"FROM nodes CROSS JOIN moments ORDER BY {order}"
    )
    moments = range(steps - 1, first - 1, -1)
    began = time.perf_counter()
    with tqdm(total=len(moments), desc="filling", leave=False, file=sys.stderr) as bar:
        for start in range(0, len(moments), each):
            some = moments[start : start + each]
            with engine.connect().execution_options(writes=True) as connection, connection.begin():
                ensure(connection, [END - step * STEP for step in some])
                connection.execute(statement, {"last": some[0], "first": some[-1]})
            bar.update(len(some))
    rate = ponds * len(moments) * len(QUANTITIES) / (time.perf_counter() - began)
    samples, hourly = Sample.__table__, Hourly.__table__
    # The hour where this stretch meets the one before it is summed anew.
    met = hour_of(END - first * STEP) + HOUR
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(hourly.delete().where(hourly.c.start == met - HOUR))
        start = samples.c.time - samples.c.time % HOUR
        sums = (
            select(samples.c.node_id, start, *sample_parts(samples))
            .where(samples.c.time < met)
            .group_by(samples.c.node_id, start)
        )
        sums = sums.where(samples.c.time >= hour_of(END - (steps - 1) * STEP))
        names = ["node_id", "start", *(part.name for part in sample_parts(samples))]
        connection.execute(insert(hourly).from_select(names, sums))
        if first == 0:
            last = ", ".join(f'"{name}", {name}_time, {name}_flag' for name in QUANTITIES)
            found = ", ".join(f'"{name}", time, {name}_flag' for name in QUANTITIES)
            connection.execute(
                text(f"INSERT INTO latest (node_id, {last}) SELECT node_id, {found} FROM samples WHERE time = {END}")
            )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As autovacuum does in time.
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)" if embedded else "VACUUM ANALYZE"))
    return rate


def milliseconds(ask: Callable[[], httpx.Response], times: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of how long a question takes."""
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        reply = ask()
        found.append((time.perf_counter() - began) * 1000)
        reply.raise_for_status()
    return statistics.median(found[1:]), float(np.percentile(found[1:], 95))


def questions(engine: Engine, url: str, ponds: int) -> dict[str, tuple[float, float]]:
    """Return how long each question takes, in milliseconds."""
    random = np.random.default_rng(1)
    cookie = open_session(engine, people.find(engine, "all"), time.time(), "benchmark")
    with serving(url) as address, httpx.Client(base_url=address, cookies={"vuong_session": cookie}, timeout=60) as client:

        def of_pond(what: str, span: int, **more: str) -> Callable[[], httpx.Response]:
            query = {"quantity": "do", "start": str(END - span), "end": str(END + 1)} | more
            return lambda: client.get(f"/api/v1/ponds/p{random.integers(ponds)}/{what}", params=query)

        asked = {
            "latest": (lambda: client.get("/api/v1/latest/columns", params={"quantity": list(QUANTITIES)}), 20),
            "list": (lambda: client.get("/api/v1/latest"), 20),
            "day": (of_pond("readings", 86_400), 100),
            "month": (of_pond("rollups", 30 * 86_400, step="hour"), 100),
        }
        return {name: milliseconds(ask, times) for name, (ask, times) in asked.items()}


def sizes_of(engine: Engine) -> dict[str, int]:
    """Return how many bytes the samples take (PostgreSQL: rows and key apart), and everything."""
    with engine.connect() as connection:
        if sqlite_path(engine) is None:
            parts = "sum(pg_relation_size(inhrelid)), sum(pg_indexes_size(inhrelid))"
            rows, key = connection.execute(text(f"SELECT {parts} FROM pg_inherits WHERE inhparent = 'samples'::regclass")).one()
            all_of_it = connection.scalar(text("SELECT pg_database_size(current_database())"))
            return {"samples": int(rows) + int(key), "key": int(key), "all": int(all_of_it or 0)}
        pages, each = (int(connection.scalar(text(f"PRAGMA {name}")) or 0) for name in ("page_count", "page_size"))
        # The rows lie in their key's tree.
        own = connection.scalar(text("SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name = 'samples'"))
        return {"samples": int(own or 0), "key": 0, "all": pages * each}


def measure(name: str, url: str, ponds: int, sizes: list[int]) -> list[dict[str, Any]]:
    """Return the figures of one store at each size."""
    engine, found, done = connect(url), [], 0
    migrate(engine)
    farm(engine, ponds)
    for points in sizes:
        steps = max(1, points // len(QUANTITIES) // ponds)
        rate = fill(engine, ponds, done, steps)
        done = steps
        times, taken = questions(engine, url, ponds), sizes_of(engine)
        row: dict[str, Any] = {"store": name, "ponds": ponds, "points": steps * ponds * len(QUANTITIES)}
        row |= {"days": round(steps * STEP / 86_400, 1), "filled_per_s": round(rate)}
        row |= {f"{part}_bytes_per_point": round(size / row["points"], 1) for part, size in taken.items()}
        row |= {f"{key}_ms": [round(value, 1) for value in pair] for key, pair in times.items()}
        found.append(row)
        sys.stderr.write(json.dumps(row) + "\n")
    engine.dispose()
    return found


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ponds", type=int, default=10_000, help="ponds of one node (default: %(default)s)")
    parser.add_argument("--points", default="1000000,10000000", help="sizes to stop at (default: %(default)s)")
    parser.add_argument("--store", choices=["sqlite", "postgresql"], help="one store only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    sizes = sorted(int(part) for part in arguments.points.split(","))
    results = []
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="vuong-query-"))
        directory.chmod(0o755)
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        if arguments.store != "postgresql":
            results += measure("SQLite", f"sqlite:///{directory}/a.db", arguments.ponds, sizes)
        if arguments.store != "sqlite":
            results += measure("PostgreSQL", stack.enter_context(postgresql(directory, *_SETTINGS)), arguments.ponds, sizes)
    if arguments.json:
        print(json.dumps(results))
        return 0
    print(
        f"{arguments.ponds} ponds, {len(QUANTITIES)} points every {STEP} s; over HTTP, milliseconds as median / 95th percentile"
    )
    asked = (("latest, columns", "latest"), ("latest, list", "list"), ("24 h", "day"), ("30 d hourly", "month"))
    print(f"{'store':<12}{'points':>12}{'days':>7}{'B/point':>9}{'with all':>9}" + "".join(f"{name:>17}" for name, _ in asked))
    for row in results:
        sizes_told = f"{row['samples_bytes_per_point']:>9}{row['all_bytes_per_point']:>9}"
        times = "".join(f"{'{} / {}'.format(*row[f'{key}_ms']):>17}" for _, key in asked)
        print(f"{row['store']:<12}{row['points']:>12,}{row['days']:>7}{sizes_told}{times}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
