"""Hours and days out of samples, right at every moment.

Ingest and corrections mark an hour stale in the transaction that changes it. A job rolls stale hours up anew from the samples; a reader who asks
before that gets those hours from the samples themselves. Hours whose samples retention let go take late samples by addition.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, FromClause, Integer, and_, case, cast, delete, func, insert, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from cloud.telemetry.store import upsert
from cloud.telemetry.tables import NAMES, PARTS, Daily, Hourly, Sample, StaleHour
from cloud.telemetry.validation import Samples
from vuong.flags import Flag

HOUR: Final = 3600
DAY: Final = 86_400
ZONE: Final = 7 * HOUR  # a farmer's day: Vietnam's clock, which has no summer time
SETTLED: Final = HOUR + 300  # an hour is rolled up when it is over and the last stragglers are in
_CHUNK: Final = 2000
_STALE: Final = StaleHour.__table__


def hour_of(time: int) -> int:
    """Return the first second of a time's hour."""
    return time - time % HOUR


def day_of(time: int) -> int:
    """Return the first second of a time's day in Vietnam."""
    return time - (time + ZONE) % DAY


def _floor(column: ColumnElement[int], step: int, shift: int = 0) -> ColumnElement[int]:
    return column - (column + shift) % step


@cache
def sample_parts(table: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return the aggregates of samples that an hour keeps, in the order of `NAMES` and `PARTS`."""
    result: list[ColumnElement[Any]] = []
    for name in NAMES:
        value, flag = table.c[name], table.c[f"{name}_flag"]
        failed = flag == int(Flag.FAIL)
        good = case((and_(value.is_not(None), func.coalesce(flag, 0) != int(Flag.FAIL)), value))
        made = {
            "n": func.nullif(func.count(good), 0),
            "sum": func.sum(good),
            "low": func.min(good),
            "high": func.max(good),
            "failed": func.nullif(func.count(case((failed, value))), 0),
        }
        result += [made[part].label(f"{name}_{part}") for part in PARTS]
    return tuple(result)


@cache
def rolled_parts(table: FromClause) -> tuple[ColumnElement[Any], ...]:
    """Return the aggregates that make a longer stretch out of shorter ones."""
    made: dict[str, Any] = {"n": func.sum, "sum": func.sum, "low": func.min, "high": func.max, "failed": func.sum}
    return tuple(
        (
            cast(made[part](table.c[f"{name}_{part}"]), Integer)
            if part in {"n", "failed"}
            else made[part](table.c[f"{name}_{part}"])
        ).label(f"{name}_{part}")
        for name in NAMES
        for part in PARTS
    )


_PART_NAMES: Final = tuple(f"{name}_{part}" for name in NAMES for part in PARTS)


def mark_stale(connection: Connection, hours: Iterable[tuple[int, int]]) -> None:
    """Mark (node, hour) pairs to be rolled up anew, in the transaction that changes their samples."""
    rows = [{"node_id": node, "start": hour, "taken": False} for node, hour in sorted(hours)]
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.executemany(
            "INSERT INTO stale_hours (node_id, start, taken) VALUES (?, ?, 0) ON CONFLICT (node_id, start) DO UPDATE SET taken = 0",
            [(row["node_id"], row["start"]) for row in rows],
        )
        return
    # DO UPDATE and not DO NOTHING: the row is locked, so the job that rolls this hour either waits for us or comes again.
    connection.connection.driver_connection.execute(  # type: ignore[union-attr]
        "INSERT INTO stale_hours (node_id, start, taken) SELECT *, false FROM unnest(%s::int[], %s::bigint[])"
        " ON CONFLICT (node_id, start) DO UPDATE SET taken = false WHERE stale_hours.taken",
        ([row["node_id"] for row in rows], [row["start"] for row in rows]),
    )


def stale_before(connection: Connection, time: float) -> int:
    """Return how many stale hours begin before a time."""
    return int(connection.scalar(select(func.count()).select_from(_STALE).where(_STALE.c.start < int(time))) or 0)


def roll_up(engine: Engine, until: float, chunk: int = _CHUNK) -> int:
    """Roll up every stale hour that begins before `until`, a chunk a transaction; return how many there were."""
    done = 0
    while True:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            count = _roll_chunk(connection, int(until), chunk)
        done += count
        if count < chunk:
            return done


def roll_up_all(connection: Connection, until: int) -> None:
    """Roll up every stale hour that begins before `until` in the caller's transaction."""
    while _roll_chunk(connection, until, _CHUNK) == _CHUNK:
        pass


def _roll_chunk(connection: Connection, until: int, chunk: int) -> int:
    picked = (
        select(_STALE.c.node_id, _STALE.c.start)
        .where(_STALE.c.start < until)
        .order_by(_STALE.c.start, _STALE.c.node_id)
        .limit(chunk)
    )
    if connection.dialect.name != "sqlite":
        # One roller at a time: `taken` tells its own hours from those that ingest marks meanwhile.
        connection.execute(select(func.pg_advisory_xact_lock(7_286_002)))
        picked = picked.with_for_update(skip_locked=True)
    hours = connection.execute(picked).all()
    if not hours:
        return 0
    key = tuple_(_STALE.c.node_id, _STALE.c.start)
    for index in range(0, len(hours), 500):
        connection.execute(update(_STALE).where(key.in_([tuple(row) for row in hours[index : index + 500]])).values(taken=True))
    samples, hourly, daily = Sample.__table__, Hourly.__table__, Daily.__table__
    taken = select(_STALE.c.node_id, _STALE.c.start).where(_STALE.c.taken).subquery()
    inside = (samples.c.node_id == taken.c.node_id) & (samples.c.time >= taken.c.start) & (samples.c.time < taken.c.start + HOUR)
    fresh = (
        select(taken.c.node_id, taken.c.start, *sample_parts(samples))
        .select_from(taken.join(samples, inside))
        # Constant bounds let PostgreSQL leave other months' partitions alone.
        .where(samples.c.time >= min(row.start for row in hours), samples.c.time < max(row.start for row in hours) + HOUR)
        .group_by(taken.c.node_id, taken.c.start)
    )
    names = ["node_id", "start", *_PART_NAMES]
    connection.execute(delete(Hourly).where(tuple_(hourly.c.node_id, hourly.c.start).in_(select(taken.c.node_id, taken.c.start))))
    connection.execute(insert(hourly).from_select(names, fresh))
    day = _floor(taken.c.start, DAY, ZONE)
    days = select(taken.c.node_id, day.label("day")).distinct().subquery()
    within = (hourly.c.node_id == days.c.node_id) & (hourly.c.start >= days.c.day) & (hourly.c.start < days.c.day + DAY)
    again = (
        select(days.c.node_id, days.c.day, *rolled_parts(hourly))
        .select_from(days.join(hourly, within))
        .group_by(days.c.node_id, days.c.day)
    )
    connection.execute(delete(Daily).where(tuple_(daily.c.node_id, daily.c.start).in_(select(days.c.node_id, days.c.day))))
    connection.execute(insert(daily).from_select(names, again))
    connection.execute(delete(StaleHour).where(_STALE.c.taken))
    return len(hours)


def _sums(samples: Samples, rows: Iterable[int]) -> dict[tuple[int, int], dict[str, float]]:
    """Return what an hour gains by some rows of `samples`, by (node, hour)."""
    found: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for row in rows:
        entry = found[samples.node_id[row], hour_of(samples.time[row])]
        for name, values in samples.values.items():
            value = values[row]
            if value is None:
                continue
            flags = samples.flags.get(name)
            if flags and flags[row] == Flag.FAIL:
                entry[f"{name}_failed"] = entry.get(f"{name}_failed", 0) + 1
                continue
            for part, new in (("n", 1.0), ("sum", value), ("low", value), ("high", value)):
                entry[f"{name}_{part}"] = _merged(part, entry.get(f"{name}_{part}"), new)
    return found


def _merged(part: str, old: float | None, new: float) -> float:
    if old is None:
        return new
    return min(old, new) if part == "low" else max(old, new) if part == "high" else old + new


def add_late(connection: Connection, samples: Samples, rows: Iterable[int]) -> None:
    """Add samples to hours and days whose own samples are gone. Each is added once: it was found never received before."""
    gains = _sums(samples, rows)
    days: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for (node, hour), gain in gains.items():
        entry = days[node, day_of(hour)]
        for name, value in gain.items():
            entry[name] = _merged(name.rpartition("_")[2], entry.get(name), value)
    for table, stretches in ((Hourly.__table__, gains), (Daily.__table__, days)):
        for (node, start), gain in sorted(stretches.items()):
            there = (table.c.node_id == node) & (table.c.start == start)
            found = connection.execute(select(table).where(there)).mappings().first()
            old: dict[str, Any] = dict(found) if found else {}
            merged = {name: _merged(name.rpartition("_")[2], old.get(name), value) for name, value in gain.items()}
            statement = upsert(connection, table).values(node_id=node, start=start, **merged)
            connection.execute(statement.on_conflict_do_update(index_elements=["node_id", "start"], set_=merged))
