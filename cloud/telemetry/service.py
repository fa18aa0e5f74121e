"""Finding readings again: last values, a pond's series, the recent course of many ponds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import orjson
from sqlalchemy import Column, Select, Text, cast, func, select

from cloud.farms.tables import Node, Pond
from cloud.telemetry.retention import raw_from
from cloud.telemetry.rolled import rolled
from cloud.telemetry.rollups import HOUR
from cloud.telemetry.tables import Latest, Revision, Sample
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


_PARTS: Final = ("", "_time", "_flag")
_FLAGS: Final = {None: Flag.NOT_EVALUATED} | {int(flag): flag for flag in Flag}


def _last(quantities: Iterable[str]) -> list[Column[Any]]:
    return [Latest.__table__.c[f"{name}{part}"] for name in quantities for part in _PARTS]


def latest(session: ScopedSession, ponds: Iterable[str] | None = None) -> dict[str, dict[str, Point]]:
    """Return the last value of each quantity by pond; of a pond with several nodes the newest."""
    statement = select(Node.pond_id, *_last(QUANTITIES)).select_from(Latest).join(Node, Node.id == Latest.__table__.c.node_id)
    if ponds is not None:
        statement = statement.where(Node.pond_id.in_(list(ponds)))
    places = [(name, 1 + len(_PARTS) * index) for index, name in enumerate(QUANTITIES)]
    found: dict[str, dict[str, Point]] = defaultdict(dict)
    for row in session.execute(statement):
        values = found[row[0]]
        for name, at in places:
            time = row[at + 1]
            if time is not None and (name not in values or time > values[name].time):
                values[name] = Point(time, row[at], _FLAGS[row[at + 2]])
    return dict(found)


def latest_columns(session: ScopedSession, quantities: Iterable[str] = tuple(QUANTITIES)) -> bytes:
    """Return the last values of every node that the session sees as a JSON object of columns, for a province's map.

    They are ``pond`` and, of each quantity, ``<quantity>``, ``<quantity>_time`` and ``<quantity>_flag``. A pond with several nodes has several rows.
    """
    last = _last(quantities)
    columns, names = [Node.pond_id, *last], ["pond", *(str(column.name) for column in last)]

    def of(*shown: Any) -> Select[Any]:  # noqa: ANN401 - any expression
        return select(*shown).select_from(Latest).join(Node, Node.id == Latest.__table__.c.node_id)

    if session.get_bind().dialect.name == "postgresql":
        # The database writes the JSON itself: half the time of a hundred thousand values made into objects and back.
        texts = session.execute(of(*(cast(func.json_agg(column), Text) for column in columns))).one()
        return b"{%s}" % b",".join(
            b'"%s":%s' % (name.encode(), (text or "[]").encode()) for name, text in zip(names, texts, strict=True)
        )
    # SQLite's would round values to 15 digits.
    rows = list(zip(*session.execute(of(*columns)).all(), strict=True)) or [()] * len(columns)
    return orjson.dumps(dict(zip(names, rows, strict=True)))


def mark(session: ScopedSession) -> str:
    """Return a text that changes whenever a last value moves on or a reading is corrected; far lighter than the values themselves."""
    times = [func.coalesce(Latest.__table__.c[f"{name}_time"], 0) for name in QUANTITIES]
    moved = session.scalar(select(func.sum(reduce(add, times))).select_from(Latest))
    corrected = session.scalar(select(func.max(Revision.__table__.c.id)).select_from(Revision))
    return f"{int(moved or 0)}-{corrected or 0}"


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
        found.append(Point(time, value, _FLAGS[flag]))
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
            found[pond].append(Point(time, value, _FLAGS[flag]))
    return found
