"""Finding readings again: last values, a pond's series, the recent course of many ponds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from cloud.farms.tables import Node, Pond
from cloud.telemetry.retention import raw_from
from cloud.telemetry.rolled import rolled
from cloud.telemetry.rollups import HOUR
from cloud.telemetry.tables import Latest, Sample
from cloud.tenancy import ScopedSession
from vuong.downsample import Point, downsample
from vuong.flags import Flag
from vuong.quantities import QUANTITIES


@dataclass(frozen=True, slots=True)
class Series:
    """A quantity of a pond over a range; `reasons` by time, for readings that are flagged suspect or failed."""

    points: list[Point]
    reasons: dict[int, dict[str, Any]]
    total: int


def latest(session: ScopedSession, ponds: Iterable[str] | None = None) -> dict[str, dict[str, Point]]:
    """Return the last value of each quantity by pond; of a pond with several nodes the newest."""
    columns = Latest.__table__.c
    statement = select(Node.pond_id, Latest).join(Node, Node.id == columns.node_id)
    if ponds is not None:
        statement = statement.where(Node.pond_id.in_(list(ponds)))
    found: dict[str, dict[str, Point]] = defaultdict(dict)
    for pond, row in session.execute(statement):
        values = found[pond]
        for name in QUANTITIES:
            time = getattr(row, f"{name}_time")
            if time is not None and (name not in values or time > values[name].time):
                values[name] = Point(time, getattr(row, name), Flag(getattr(row, f"{name}_flag") or Flag.NOT_EVALUATED))
    return dict(found)


def latest_columns(session: ScopedSession, quantities: Iterable[str] = tuple(QUANTITIES)) -> dict[str, list[Any]]:
    """Return the last values of every node that the session sees as columns, for a province's map.

    They are ``pond`` and, of each quantity, ``<quantity>``, ``<quantity>_time`` and ``<quantity>_flag``.

    A pond with several nodes has several rows.
    """
    columns = [Latest.__table__.c[f"{name}{part}"] for name in quantities for part in ("", "_time", "_flag")]
    statement = select(Node.pond_id, *columns).select_from(Latest).join(Node, Node.id == Latest.__table__.c.node_id)
    rows = list(zip(*session.execute(statement).all(), strict=True)) or [()] * (len(columns) + 1)
    return {name: list(column) for name, column in zip(["pond", *(str(column.name) for column in columns)], rows, strict=True)}


def kept_from(session: ScopedSession) -> int:
    """Return the time from which single readings are kept; the same for all co-ops, so no scope narrows it."""
    return raw_from(session.connection())


def series(session: ScopedSession, pond: Pond, quantity: str, start: int, end: int, points: int) -> Series:
    """Return one quantity of a pond from `start` (inclusive) to `end` (exclusive), thinned to `points` with the extremes kept.

    Where single readings were let go, an hour gives its lowest and its highest, both at its middle.
    """
    columns = Sample.__table__.c
    nodes = select(Node.id).where(Node.pond_id == pond.id)
    statement = (
        select(columns.time, columns[quantity], columns[f"{quantity}_flag"], columns.reasons)
        .select_from(Sample)
        .where(columns.node_id.in_(nodes), columns.time >= start, columns.time < end, columns[quantity].is_not(None))
        .order_by(columns.time, columns.seq)
    )
    found, reasons = list[Point](), dict[int, dict[str, Any]]()
    oldest = kept_from(session)
    if start < oldest:
        for hour in rolled(session, pond, quantity, start, min(end, oldest), "hour"):
            values = {value for value in (hour.low, hour.high) if value is not None}
            found += [Point(hour.start + HOUR // 2, value, Flag.NOT_EVALUATED) for value in sorted(values)]
    for time, value, flag, why in session.execute(statement):
        found.append(Point(time, value, Flag(flag or Flag.NOT_EVALUATED)))
        if why and quantity in why:
            reasons[time] = why[quantity]
    kept = downsample(found, points)
    times = {point.time for point in kept}
    return Series(kept, {time: reason for time, reason in reasons.items() if time in times}, len(found))


def courses(session: ScopedSession, ponds: Iterable[str], quantity: str, start: int, end: int) -> dict[str, list[Point]]:
    """Return a quantity's course by pond, in order of time, without readings that failed a test."""
    columns = Sample.__table__.c
    statement = (
        select(Node.pond_id, columns.time, columns[quantity], columns[f"{quantity}_flag"])
        .select_from(Sample)
        .join(Node, Node.id == columns.node_id)
        .where(Node.pond_id.in_(list(ponds)), columns.time >= start, columns.time <= end, columns[quantity].is_not(None))
        .order_by(columns.time)
    )
    found: dict[str, list[Point]] = defaultdict(list)
    for pond, time, value, flag in session.execute(statement):
        if flag != Flag.FAIL:
            found[pond].append(Point(time, value, Flag(flag or Flag.NOT_EVALUATED)))
    return found
