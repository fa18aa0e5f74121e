"""PostgreSQL keeps samples in a partition a month: old months are let go at once, and a question about a day looks into one of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text

# A node whose clock went back far shall not make a partition for every month since 2000.
EARLIEST: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
_OLD: Final = "samples_old"
_LOCK: Final = 7_286_001  # any number that nobody else uses
_DAY: Final = 86_400


def month_of(time: int) -> int:
    """Return the first second of a time's month (UTC)."""
    return int(datetime.fromtimestamp(time, UTC).replace(day=1, hour=0, minute=0, second=0).timestamp())


def month_after(month: int) -> int:
    """Return the first second of the month after the one that begins at `month`."""
    return month_of(month + 32 * _DAY)


def name_of(month: int) -> str:
    """Return the name of a month's partition, ``samples_2026_11``."""
    return _OLD if month < EARLIEST else f"samples_{datetime.fromtimestamp(month, UTC):%Y_%m}"


def partitioned(connection: Connection) -> bool:
    """Return whether samples lie in native partitions here; SQLite has none, nor has a table that somebody made a hypertable."""
    if connection.dialect.name == "sqlite":
        return False
    kind = connection.scalar(text("SELECT relkind FROM pg_class WHERE oid = 'samples'::regclass"))
    return kind in {"p", b"p"}


def ensure(connection: Connection, times: Iterable[int]) -> list[str]:
    """Make the partitions that samples of these times need; return the names of the new ones.

    A partition is made beside the table and then attached, which stops neither readers nor writers of the others.
    """
    if connection.dialect.name == "sqlite":
        return []
    months = {name_of(month): month for month in {month_of(time) for time in {time // _DAY * _DAY for time in times}}}
    there = connection.scalars(
        text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL"),
        {"names": list(months)},
    )
    missing = sorted(months.keys() - set(there))
    if not missing or not partitioned(connection):
        return []
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    made = []
    for name in missing:
        if connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}):
            continue  # somebody else made it while we waited
        month = months[name]
        low, high = ("MINVALUE", EARLIEST) if name == _OLD else (month, month_after(month))
        connection.execute(text(f"CREATE TABLE {name} (LIKE samples INCLUDING ALL)"))
        connection.execute(text(f"ALTER TABLE samples ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})"))
        made.append(name)
    return made


def existing(connection: Connection) -> list[str]:
    """Return the names of the partitions, oldest first."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'samples'::regclass"
    return sorted(connection.scalars(text(query)), key=lambda name: (name != _OLD, name))


def drop_before(connection: Connection, month: int) -> list[str]:
    """Drop the partitions that hold only samples before `month`; return their names."""
    edge = name_of(month)
    gone = [name for name in existing(connection) if (name == _OLD and month >= EARLIEST) or (name != _OLD and name < edge)]
    for name in gone:
        connection.execute(text(f"DROP TABLE {name}"))
    return gone
