"""Writing samples: the database driver itself, a batch a statement; the one place that knows which database it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import repeat
from typing import Any, Final

import orjson
from sqlalchemy import Connection, FromClause, Table, and_, case, or_
from sqlalchemy.dialects import postgresql, sqlite

from cloud.telemetry.partitions import ensure
from cloud.telemetry.tables import Latest
from cloud.telemetry.validation import Samples

_KEY: Final = ("node_id", "time", "boot", "seq", "arrived")


def upsert(connection: Connection, table: FromClause) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can be told what to do on a conflict; SQLite and PostgreSQL spell it alike."""
    assert isinstance(table, Table)  # noqa: S101 - SQLAlchemy types a mapped class's table more widely
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


@cache
def _columns(quantities: tuple[str, ...]) -> str:
    names = (*_KEY, *quantities, *(f"{name}_flag" for name in quantities), "reasons")
    return ", ".join(f'"{name}"' for name in names)


@cache
def _sqlite_insert(quantities: tuple[str, ...]) -> str:
    marks = ", ".join("?" * (len(_KEY) + 2 * len(quantities) + 1))
    return f"INSERT INTO samples ({_columns(quantities)}) VALUES ({marks})"  # noqa: S608


def _rows(samples: Samples, quantities: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    reasons: Any = repeat(None)
    if samples.reasons:
        texts = {row: orjson.dumps(reason).decode() for row, reason in samples.reasons.items()}
        reasons = map(texts.get, range(len(samples.node_id)))
    flags = [samples.flags.get(name) or repeat(None) for name in quantities]
    return zip(
        samples.node_id,
        samples.time,
        samples.boot,
        samples.seq,
        samples.arrived,
        *(samples.values[name] for name in quantities),
        *flags,
        reasons,
        strict=False,
    )


def insert_samples(connection: Connection, samples: Samples) -> None:
    """Add samples, none of which is there (`cloud.telemetry.received`)."""
    if not samples.node_id:
        return
    quantities = tuple(samples.values)
    rows = _rows(samples, quantities)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.executemany(_sqlite_insert(quantities), rows)
        return
    ensure(connection, samples.time)
    with driver.cursor() as cursor, cursor.copy(f"COPY samples ({_columns(quantities)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def advance_latest(connection: Connection, samples: Samples) -> None:
    """Move the last value of every quantity forward; of two values at one time the greater stays, so that order does not matter."""
    best: dict[int, dict[str, float | int | None]] = {}
    for name, values in samples.values.items():
        newest: dict[int, tuple[int, float, int | None]] = {}
        flags = samples.flags.get(name) or repeat(None)
        for node, time, value, flag in zip(samples.node_id, samples.time, values, flags, strict=False):
            if value is None:
                continue
            held = newest.get(node)
            if held is None or time > held[0] or (time == held[0] and value > held[1]):
                newest[node] = (time, value, flag)
        for node, (time, value, flag) in newest.items():
            best.setdefault(node, {"node_id": node}).update({name: value, f"{name}_time": time, f"{name}_flag": flag})
    if not best:
        return
    names = tuple(samples.values)
    empty: dict[str, float | int | None] = {f"{name}{part}": None for name in names for part in ("", "_time", "_flag")}
    table = Latest.__table__
    statement = upsert(connection, table)
    new, changes = statement.excluded, {}
    for name in names:
        later = or_(
            table.c[f"{name}_time"].is_(None),
            new[f"{name}_time"] > table.c[f"{name}_time"],
            and_(new[f"{name}_time"] == table.c[f"{name}_time"], new[name] > table.c[name]),
        )
        newer = and_(new[f"{name}_time"].is_not(None), later)
        for part in ("", "_time", "_flag"):
            column = f"{name}{part}"
            changes[column] = case((newer, new[column]), else_=table.c[column])
    statement = statement.on_conflict_do_update(index_elements=["node_id"], set_=changes)
    # In order of node, so that two batches at once cannot wait for each other.
    connection.execute(statement, [empty | best[node] for node in sorted(best)])
