"""Administrative units through time: what existed when, and figures of old units told by new ones (merger of 1 July 2025)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import defer

from cloud.farms.tables import Crosswalk, Unit
from cloud.tenancy import ScopedSession


def existed(day: str) -> ColumnElement[bool]:
    """Return the condition that a unit existed on a day (``YYYY-MM-DD``)."""
    return and_(Unit.valid_from <= day, or_(Unit.valid_to.is_(None), Unit.valid_to > day))


def on(session: ScopedSession, level: str, day: str) -> list[Unit]:
    """Return the units of a level that existed on a day (``YYYY-MM-DD``), by code, without their outlines."""
    statement = select(Unit).where(Unit.level == level, existed(day)).order_by(Unit.code)
    return list(session.scalars(statement.options(defer(Unit.geometry))))


def one(session: ScopedSession, level: str, code: str, day: str) -> Unit | None:
    """Return a unit as it was on a day, without its outline; ``None`` where there was none of that code."""
    statement = select(Unit).where(Unit.level == level, Unit.code == code, existed(day))
    return session.scalar(statement.options(defer(Unit.geometry)))


def successors(session: ScopedSession, level: str, code: str) -> list[tuple[Unit, float, str]]:
    """Return the units that came after an old one, each with its share of the old one's total and on what that rests (``list``, ``area``)."""
    old = select(Unit.id).where(Unit.level == level, Unit.code == code, Unit.valid_to.is_not(None)).scalar_subquery()
    statement = (
        select(Unit, Crosswalk.weight, Crosswalk.basis)
        .join(Crosswalk, Crosswalk.new_id == Unit.id)
        .where(Crosswalk.old_id == old)
        .order_by(Unit.level, Crosswalk.weight.desc())
    )
    return [(unit, weight, basis) for unit, weight, basis in session.execute(statement)]


def convert(
    session: ScopedSession, values: Mapping[str, float], level: str, new_level: str, *, total: bool = True
) -> tuple[dict[str, float], list[str]]:
    """Return figures of old units as figures of the units that came after, and the codes that no crosswalk knows.

    Parameters
    ----------
    session : any scope
    values : figure by the old unit's code
    level, new_level : of the old units, and of those that came after
    total : the figures add up (tonnes, people): each is shared out by weight and the sum stays; else they are means
        (°C, tonnes per hectare): a new unit's is the mean of its old ones, weighted
    """
    statement = (
        select(Unit.code, Crosswalk.new_id, Crosswalk.weight)
        .join(Crosswalk, Crosswalk.old_id == Unit.id)
        .where(Unit.level == level, Unit.code.in_(values))
    )
    new = {unit.id: unit.code for unit in session.scalars(select(Unit).where(Unit.valid_to.is_(None), Unit.level == new_level))}
    parts: dict[str, list[tuple[float, float]]] = {}
    known = set()
    for code, new_id, weight in session.execute(statement):
        if new_id in new:
            known.add(code)
            parts.setdefault(new[new_id], []).append((weight, values[code]))
    found = {}
    for code, shares in sorted(parts.items()):
        added = math.fsum(weight * value for weight, value in shares)
        found[code] = added if total else added / math.fsum(weight for weight, _ in shares)
    return found, sorted(set(values) - known)
