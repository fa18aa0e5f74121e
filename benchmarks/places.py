"""How fast it is told where ponds lie, on SQLite, on PostgreSQL and on PostgreSQL with PostGIS.

usage: python benchmarks/places.py [--ponds N] [--json]

A made-up country: 34 provinces of 100 communes, each outline of 400 points; ponds with outlines, in three of the provinces.
An official asks, who sees all ponds. Outlines are stored by the command that stores real ones.
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

import numpy as np
from ingest import postgresql
from sqlalchemy import Engine, text

from cloud.database import connect, migrate
from cloud.farms import places, unit_import, units
from cloud.farms.tables import Cooperative, Pond
from cloud.tenancy import Scope, ScopedSession

DAY = "2026-01-01"
ACROSS, SIDE, WEST, SOUTH = 10, 0.06, 102.5, 8.5  # communes along a side of a province, and a commune's side in degrees
PROVINCES, POINTS = 34, 400


def ring(west: float, south: float, side: float) -> list[list[float]]:
    """Return a square's border in `POINTS` steps, winding as rivers do, less than half a hundredth of its side to either hand."""
    along = np.linspace(0, 4, POINTS, endpoint=False)
    part, on = along.astype(int), along % 1
    bend = 0.004 * np.sin(on * 6 * np.pi)
    x = np.choose(part, [on, 1 + bend, 1 - on, bend])
    y = np.choose(part, [bend, on, 1 + bend, 1 - on])
    points = np.round(np.column_stack([west + x * side, south + y * side]), 6).tolist()
    return [*points, points[0]]


def country(folder: Path) -> None:
    """Write the lists and outlines of the country's units."""
    listed, provinces, communes = [], [], []
    for p in range(PROVINCES):
        west, south = WEST + p % 6 * ACROSS * SIDE, SOUTH + p // 6 * ACROSS * SIDE
        code, wards = f"{p:02}", []
        for c in range(ACROSS * ACROSS):
            own = f"{p:02}{c:03}"
            wards.append({"Code": own, "FullName": f"Commune {own}"})
            outline = ring(west + c % ACROSS * SIDE, south + c // ACROSS * SIDE, SIDE)
            communes.append({"type": "Feature", "id": own, "geometry": {"type": "MultiPolygon", "coordinates": [[outline]]}})
        outline = ring(west, south, ACROSS * SIDE)
        provinces.append({"type": "Feature", "id": code, "geometry": {"type": "MultiPolygon", "coordinates": [[outline]]}})
        listed.append({"Code": code, "FullName": f"Province {code}", "Wards": wards})
    (folder / "list.json").write_text(json.dumps(listed))
    for name, features in (("province", provinces), ("commune", communes)):
        (folder / f"{name}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def farm(engine: Engine, count: int) -> None:
    """Store ponds of 60 m by 50 m in the first three provinces."""
    random = np.random.default_rng(1)
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        session.add(Cooperative(id="c", name="C"))
        session.flush()
        spots = random.uniform((WEST, SOUTH), (WEST + 3 * ACROSS * SIDE, SOUTH + ACROSS * SIDE), (count, 2))
        for number, (x, y) in enumerate(spots.tolist()):
            a, b = 0.000275, 0.000225
            outline = [[x - a, y - b], [x + a, y - b], [x + a, y + b], [x - a, y + b], [x - a, y - b]]
            place = {"longitude": x, "latitude": y, "polygon": {"type": "Polygon", "coordinates": [outline]}}
            session.add(Pond(id=f"p{number}", name="x", species="vannamei", limits={}, cooperative_id="c", **place))
        session.commit()


def milliseconds(engine: Engine, ask: Callable[[ScopedSession], list[Any]], times: int) -> tuple[float, float]:
    """Return the median time of a question, each in a session of its own, and how many it found on average."""
    spent, found = [], []
    for _ in range(times + 1):
        began = time.perf_counter()
        with ScopedSession(engine, Scope.everything()) as session:
            found.append(len(ask(session)))
        spent.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(spent[1:]), 1), round(statistics.mean(found[1:]), 1)


def measure(name: str, url: str, folder: Path, ponds: int) -> dict[str, Any]:
    """Return the figures of one store."""
    engine, random = connect(url), np.random.default_rng(2)
    migrate(engine)
    unit_import.import_list(engine, folder / "list.json", before=False)
    began = time.perf_counter()
    for level in ("province", "commune"):
        unit_import.import_outlines(engine, folder / f"{level}.geojson", level=level, before=False)
    row: dict[str, Any] = {"store": name, "import_s": round(time.perf_counter() - began, 1)}
    farm(engine, ponds)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))

    def spot() -> tuple[float, float]:
        x, y = random.uniform((WEST, SOUTH), (WEST + 3 * ACROSS * SIDE, SOUTH + ACROSS * SIDE)).tolist()
        return x, y

    def ponds_of(session: ScopedSession, level: str, code: str) -> list[Pond]:
        unit = units.one(session, level, code, DAY)
        assert unit is not None
        return places.ponds_in(session, unit)

    def shown(session: ScopedSession) -> list[Pond]:
        x, y = spot()
        return places.ponds_on_map(session, x, y, x + 0.1, y + 0.1)

    def near(session: ScopedSession) -> list[tuple[Pond, float]]:
        return places.neighbours(session, session.get_one(Pond, f"p{random.integers(ponds)}"), 500)

    asked: dict[str, tuple[Callable[[ScopedSession], list[Any]], int]] = {
        "units of a point": (lambda session: places.units_at(session, *spot(), DAY), 100),
        "ponds of a commune": (lambda session: ponds_of(session, "commune", f"00{random.integers(100):03}"), 50),
        "ponds of a province": (lambda session: ponds_of(session, "province", "01"), 10),
        "ponds on a map": (shown, 50),
        "neighbours in 500 m": (near, 50),
    }
    row |= {question: milliseconds(engine, ask, times) for question, (ask, times) in asked.items()}
    engine.dispose()
    return row


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ponds", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="vuong-places-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        country(folder)
        rows = [measure("SQLite", f"sqlite:///{folder}/a.db", folder, arguments.ponds)]
        url = stack.enter_context(postgresql(folder))
        administrator = connect(url)
        with administrator.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("CREATE DATABASE plain")
        administrator.dispose()
        rows.append(measure("PostgreSQL", url.replace("/postgres?", "/plain?"), folder, arguments.ponds))
        rows.append(measure("with PostGIS", url, folder, arguments.ponds))
    if arguments.json:
        print(json.dumps(rows))
        return 0
    print(
        f"{arguments.ponds} ponds, {PROVINCES} provinces, {PROVINCES * ACROSS**2} communes; milliseconds (median), found (mean)"
    )
    for key in rows[0]:
        told = (f"{row[key][0]} ({row[key][1]:g})" if isinstance(row[key], tuple) else str(row[key]) for row in rows)
        print(f"{key:<20}" + "".join(f"{value:>18}" for value in told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
