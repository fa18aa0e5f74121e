"""Reading hours and days: from the tables where they are right, from the samples where an hour is stale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import FromClause, select

from cloud.farms.tables import Node, Pond
from cloud.telemetry.rollups import DAY, HOUR, day_of, hour_of, sample_parts
from cloud.telemetry.tables import PARTS, Daily, Hourly, Sample, StaleHour
from cloud.tenancy import ScopedSession

STEPS: Final = {"hour": HOUR, "day": DAY}


class Stretch(NamedTuple):
    """One hour or day of a quantity: how many readings did not fail, their mean and extremes, and how many failed."""

    start: int
    n: int
    mean: float | None
    low: float | None
    high: float | None
    failed: int


class _Sum(NamedTuple):
    n: int
    sum: float | None
    low: float | None
    high: float | None
    failed: int


def _added(parts: Sequence[_Sum]) -> _Sum:
    if len(parts) == 1:
        return parts[0]
    measured = [part for part in parts if part.n]
    return _Sum(
        n=sum(part.n for part in measured),
        sum=sum(part.sum or 0.0 for part in measured) if measured else None,
        low=min((part.low for part in measured if part.low is not None), default=None),
        high=max((part.high for part in measured if part.high is not None), default=None),
        failed=sum(part.failed for part in parts),
    )


def _columns(table: FromClause, quantity: str) -> list[Any]:
    return [table.c[f"{quantity}_{part}"] for part in PARTS]


def _sum_of(row: Sequence[Any]) -> _Sum:
    n, total, low, high, failed = row
    return _Sum(n or 0, total, low, high, failed or 0)


def rolled(session: ScopedSession, pond: Pond, quantity: str, start: int, end: int, step: str) -> list[Stretch]:
    """Return a pond's hours or days that begin in [start, end), in order; those without a reading are left out.

    Parameters
    ----------
    session : its scope narrows what is found
    pond, quantity : of what
    start, end : UTC seconds
    step : ``hour`` or ``day`` (by Vietnam's clock)
    """
    nodes = list(session.scalars(select(Node.id).where(Node.pond_id == pond.id)))
    if not nodes:
        return []
    # Whole stretches: a question for half an hour is answered by the hour that it lies in.
    low, high = (hour_of(start), end) if step == "hour" else (day_of(start), day_of(end - 1) + DAY)
    stale = StaleHour.__table__.c
    marked = {
        (row.node_id, row.start)
        for row in session.execute(
            select(stale.node_id, stale.start)
            .select_from(StaleHour)
            .where(stale.node_id.in_(nodes), stale.start >= low, stale.start < high)
        )
    }
    fresh = _fresh(session, nodes, quantity, marked)
    if step == "hour":
        found = _stored(session, Hourly, nodes, quantity, low, high)
        found |= fresh
        return _stretches({key: value for key, value in found.items() if key not in marked or key in fresh})
    found = _stored(session, Daily, nodes, quantity, low, high)
    days = {(node, day_of(hour)) for node, hour in marked}
    if days:
        edges = [day for _, day in days]
        hours = _stored(session, Hourly, nodes, quantity, min(edges), max(edges) + DAY)
        parts: dict[tuple[int, int], list[_Sum]] = defaultdict(list)
        for (node, hour), value in ({key: value for key, value in hours.items() if key not in marked} | fresh).items():
            parts[node, day_of(hour)].append(value)
        found = {key: value for key, value in found.items() if key not in days}
        found |= {key: _added(parts[key]) for key in days if key in parts}
    return _stretches(found)


def _stored(
    session: ScopedSession, table: type[Hourly | Daily], nodes: list[int], quantity: str, low: int, high: int
) -> dict[tuple[int, int], _Sum]:
    columns = table.__table__.c
    statement = (
        select(columns.node_id, columns.start, *_columns(table.__table__, quantity))
        .select_from(table)
        .where(columns.node_id.in_(nodes), columns.start >= low, columns.start < high)
    )
    return {(row[0], row[1]): _sum_of(row[2:]) for row in session.execute(statement)}


def _fresh(session: ScopedSession, nodes: list[int], quantity: str, marked: set[tuple[int, int]]) -> dict[tuple[int, int], _Sum]:
    """Return the stale hours as their samples are now."""
    if not marked:
        return {}
    starts = [start for _, start in marked]
    samples, stale = Sample.__table__, StaleHour.__table__.c
    parts = [part for part in sample_parts(samples) if part.name.rpartition("_")[0] == quantity]
    statement = (
        select(stale.node_id, stale.start, *parts)
        .select_from(StaleHour)
        .join(
            Sample,
            (samples.c.node_id == stale.node_id) & (samples.c.time >= stale.start) & (samples.c.time < stale.start + HOUR),
        )
        .where(
            stale.node_id.in_(nodes),
            stale.start >= min(starts),
            stale.start <= max(starts),
            samples.c.time >= min(starts),
            samples.c.time < max(starts) + HOUR,
        )
        .group_by(stale.node_id, stale.start)
    )
    return {
        key: value for row in session.execute(statement) if (key := (row[0], row[1])) in marked for value in [_sum_of(row[2:])]
    }


def _stretches(sums: dict[tuple[int, int], _Sum]) -> list[Stretch]:
    parts: dict[int, list[_Sum]] = defaultdict(list)
    for (_, start), value in sums.items():
        parts[start].append(value)
    result = []
    for start in sorted(parts):
        total = _added(parts[start])
        if total.n or total.failed:
            mean = total.sum / total.n if total.n and total.sum is not None else None
            result.append(Stretch(start, total.n, mean, total.low, total.high, total.failed))
    return result
