"""Finding readings again: last values, a pond's series, the recent course of many ponds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final

import msgspec
import orjson
from sqlalchemy import Column, Select, Text, cast, func, select
from sqlalchemy.orm import Bundle

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


class Last(msgspec.Struct, frozen=True, gc=False):
    """`vuong.contract.api.LastValue` on its way out: made and written in two thirds of a dict's time, and there are forty thousand of them."""

    pond: str
    quantity: str
    unit: str
    time: int
    value: float
    flag: int


_PARTS: Final = ("", "_time", "_flag")
_FLAGS: Final = {None: Flag.NOT_EVALUATED} | {int(flag): flag for flag in Flag}
_UNJUDGED: Final = int(Flag.NOT_EVALUATED)
_AT_A_TIME: Final = 200  # ponds


class _Row(Bundle[Any]):
    """Columns that come as the driver's own row: the mapper's tuple, made value by value, takes as long again as the database."""

    def create_row_processor(self, query: object, procs: object, labels: object) -> Callable[[Any], Any]:  # noqa: ARG002 - SQLAlchemy's
        return lambda row: row


def _last(quantities: Iterable[str]) -> list[Column[Any]]:
    return [Latest.__table__.c[f"{name}{part}"] for name in quantities for part in _PARTS]


def _of_nodes(*shown: Any) -> Select[Any]:  # noqa: ANN401 - any expression
    return select(*shown).select_from(Latest).join(Node, Node.id == Latest.__table__.c.node_id)


def _measured(session: ScopedSession) -> list[str]:
    """Return the quantities that any node of the session has a last value of."""
    times = [func.max(Latest.__table__.c[f"{name}_time"]) for name in QUANTITIES]
    found = session.execute(select(*times).select_from(Latest)).one()
    return [name for name, time in zip(QUANTITIES, found, strict=True) if time is not None]


def _last_rows(session: ScopedSession, quantities: list[str], ponds: Iterable[str] | None = None) -> Collection[Sequence[Any]]:
    """Return a row a pond: its id, then value, time and flag of each quantity; of several nodes the newest value."""
    statement = _of_nodes(_Row("row", Node.pond_id, *_last(quantities), single_entity=True))
    if ponds is not None:
        statement = statement.where(Node.pond_id.in_(list(ponds)))
    rows = session.scalars(statement).all()
    if len({row[0] for row in rows}) == len(rows):
        return rows
    merged: dict[str, list[Any]] = {}
    for row in rows:
        own = merged.setdefault(row[0], list(row))
        for at in range(1, len(own), len(_PARTS)):
            if row[at + 1] is not None and (own[at + 1] is None or row[at + 1] > own[at + 1]):
                own[at : at + len(_PARTS)] = row[at : at + len(_PARTS)]
    return merged.values()


def latest(session: ScopedSession, ponds: Iterable[str]) -> dict[str, dict[str, Point]]:
    """Return the last value of each quantity by pond; of a pond with several nodes the newest."""
    places = [(name, 1 + len(_PARTS) * index) for index, name in enumerate(QUANTITIES)]
    return {
        row[0]: {name: Point(row[at + 1], row[at], _FLAGS[row[at + 2]]) for name, at in places if row[at + 1] is not None}
        for row in _last_rows(session, list(QUANTITIES), ponds)
    }


def last_values(session: ScopedSession) -> Iterator[list[Last]]:
    """Give the last value of each quantity of every pond that the session sees, some ponds at a time; of a pond with several nodes the newest."""
    measured = _measured(session)
    places = [(name, QUANTITIES[name].unit, 1 + len(_PARTS) * index) for index, name in enumerate(measured)]
    rows = list(_last_rows(session, measured))
    # Few at a time: those of ten thousand ponds at once leave the processor's cache.
    for first in range(0, len(rows), _AT_A_TIME):
        yield [
            Last(row[0], name, unit, row[at + 1], row[at], _UNJUDGED if row[at + 2] is None else row[at + 2])
            for row in rows[first : first + _AT_A_TIME]
            for name, unit, at in places
            if row[at + 1] is not None
        ]


def latest_columns(session: ScopedSession, quantities: Iterable[str] = tuple(QUANTITIES)) -> bytes:
    """Return the last values of every node that the session sees as a JSON object of columns, for a province's map.

    They are ``pond`` and, of each quantity, ``<quantity>``, ``<quantity>_time`` and ``<quantity>_flag``. A pond with several nodes has several rows.
    """
    last = _last(quantities)
    columns, names = [Node.pond_id, *last], ["pond", *(str(column.name) for column in last)]
    if session.get_bind().dialect.name == "postgresql":
        # The database writes the JSON itself: half the time of a hundred thousand values made into objects and back.
        texts = session.execute(_of_nodes(*(cast(func.json_agg(column), Text) for column in columns))).one()
        return b"{%s}" % b",".join(
            b'"%s":%s' % (name.encode(), (text or "[]").encode()) for name, text in zip(names, texts, strict=True)
        )
    # SQLite's would round values to 15 digits.
    rows = session.scalars(_of_nodes(_Row("row", *columns, single_entity=True))).all()
    return orjson.dumps(dict(zip(names, list(zip(*rows, strict=True)) or [()] * len(columns), strict=True)))


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
