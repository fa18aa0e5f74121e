"""How fast questions are answered as the record grows, on both stores: latest of all ponds, one pond's 24 h, 30 days of hours.

usage: python benchmarks/query.py [--ponds N] [--points N,N,…] [--store sqlite|postgresql] [--json]

The record is written by the bare engine (four quantities a sample, every pond at the same step), rolled up by the job, and asked as the API asks.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from ingest import postgresql
from sqlalchemy import Engine, insert, select, text
from tqdm import tqdm

from cloud.database import connect, migrate, sqlite_path
from cloud.farms.tables import Cooperative, Node, Pond
from cloud.telemetry import service
from cloud.telemetry.rolled import rolled
from cloud.telemetry.rollups import HOUR, hour_of, mark_stale, roll_up
from cloud.telemetry.store import advance_latest, insert_samples
from cloud.telemetry.validation import Samples
from cloud.tenancy import Scope, ScopedSession

QUANTITIES = ("temperature", "do", "ph", "salinity")
END = 1_795_200_000 // HOUR * HOUR
STEP = 600
BATCH = 50_000


def farm(engine: Engine, ponds: int) -> None:
    """Store a farm of one node a pond, a hundred ponds a co-op."""
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


def blocks(ponds: int, first: int, steps: int) -> Iterator[Samples]:
    """Yield all ponds' samples of `steps` moments from step `first` back from the end, some thousand at a time."""
    random = np.random.default_rng(first)
    each = max(1, BATCH // ponds)
    for begin in range(first, first + steps, each):
        moments = range(begin, min(begin + each, first + steps))
        rows = ponds * len(moments)
        numbers = np.round(random.uniform(3, 30, (len(QUANTITIES), rows)), 2).tolist()
        yield Samples(
            node_id=list(range(1, ponds + 1)) * len(moments),
            time=[END - step * STEP for step in moments for _ in range(ponds)],
            boot=[1] * rows,
            seq=[step + 1 for step in moments for _ in range(ponds)],
            arrived=[END] * rows,
            values=dict(zip(QUANTITIES, numbers, strict=True)),
            flags={name: [1] * rows for name in QUANTITIES},
        )


def grow(engine: Engine, ponds: int, first: int, steps: int) -> float:
    """Add samples and roll them up; return the points per second of the writing alone."""
    spent = 0.0
    for samples in tqdm(blocks(ponds, first, steps), desc="growing", leave=False, file=sys.stderr):
        began = time.perf_counter()
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            insert_samples(connection, samples)
            mark_stale(connection, set(zip(samples.node_id, map(hour_of, samples.time), strict=True)))
            advance_latest(connection, samples)
        spent += time.perf_counter() - began
    return ponds * steps * len(QUANTITIES) / spent


def milliseconds(ask: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of how long a question takes."""
    ask()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found), float(np.percentile(found, 95))


def questions(engine: Engine, ponds: int) -> dict[str, tuple[float, float]]:
    """Return how long each question takes, in milliseconds."""
    random = np.random.default_rng(1)
    everything = Scope.everything()

    def latest() -> object:
        with ScopedSession(engine, everything) as session:
            return service.latest_columns(session, QUANTITIES)

    def of_pond(ask: Callable[[ScopedSession, Pond], object]) -> Callable[[], object]:
        def one() -> object:
            with ScopedSession(engine, everything) as session:
                return ask(session, session.get_one(Pond, f"p{random.integers(ponds)}"))

        return one

    day = of_pond(lambda session, pond: service.series(session, pond, "do", END - 86_400, END + 1, 1000))
    month = of_pond(lambda session, pond: rolled(session, pond, "do", END - 30 * 86_400, END + 1, "hour"))
    return {"latest": milliseconds(latest, 9), "day": milliseconds(day, 40), "month": milliseconds(month, 40)}


def size(engine: Engine) -> int:
    """Return how many bytes the store takes."""
    path = sqlite_path(engine)
    with engine.connect() as connection:
        if path is None:
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
        pages, each = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
        return int(pages or 0) * int(each or 0)


def measure(name: str, url: str, ponds: int, sizes: list[int]) -> list[dict[str, Any]]:
    """Return the figures of one store at each size."""
    engine, found, done = connect(url), [], 0
    migrate(engine)
    farm(engine, ponds)
    for points in sizes:
        steps = max(1, points // len(QUANTITIES) // ponds)
        rate = grow(engine, ponds, done, steps - done)
        done = steps
        began = time.perf_counter()
        hours = roll_up(engine, END - HOUR)
        spent = time.perf_counter() - began
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
        times = questions(engine, ponds)
        with engine.connect() as connection:
            connection.execute(select(Pond.id).limit(1))
        row = {"store": name, "ponds": ponds, "points": steps * ponds * len(QUANTITIES), "days": round(steps * STEP / 86_400, 1)}
        row |= {
            "write": round(rate),
            "hours_per_s": round(hours / spent),
            "bytes_per_point": round(size(engine) / row["points"], 1),
        }
        row |= {f"{key}_ms": [round(value, 1) for value in pair] for key, pair in times.items()}
        found.append(row)
        print(json.dumps(row), file=sys.stderr)
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
            results += measure("PostgreSQL", stack.enter_context(postgresql(directory)), arguments.ponds, sizes)
    if arguments.json:
        print(json.dumps(results))
        return 0
    print(
        f"{arguments.ponds} ponds, a sample of {len(QUANTITIES)} points every {STEP} s; milliseconds as median / 95th percentile"
    )
    print(f"{'store':<12}{'points':>12}{'days':>7}{'B/point':>9}{'latest, all':>18}{'24 h':>16}{'30 d hourly':>16}")
    for row in results:
        times = [f"{row[key][0]} / {row[key][1]}" for key in ("latest_ms", "day_ms", "month_ms")]
        print(
            f"{row['store']:<12}{row['points']:>12,}{row['days']:>7}{row['bytes_per_point']:>9}{times[0]:>18}{times[1]:>16}{times[2]:>16}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
