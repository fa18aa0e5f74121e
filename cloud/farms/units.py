"""Administrative units through time: what existed when, what lies where, and figures of old units told by new ones (merger of 1 July 2025)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from shapely import Point, from_geojson
from sqlalchemy import or_, select

from cloud.farms.tables import Crosswalk, Unit
from cloud.tenancy import ScopedSession


def on(session: ScopedSession, level: str, day: str) -> list[Unit]:
    """Return the units of a level that existed on a day (``YYYY-MM-DD``), by code."""
    statement = select(Unit).where(Unit.level == level, Unit.valid_from <= day, or_(Unit.valid_to.is_(None), Unit.valid_to > day))
    return list(session.scalars(statement.order_by(Unit.code)))


def at(session: ScopedSession, longitude: float, latitude: float) -> Unit | None:
    """Return the smallest unit of today whose outline holds a point, ``None`` where no outline does."""
    held = session.scalars(select(Unit).where(Unit.valid_to.is_(None), Unit.geometry.is_not(None)))
    point, found = Point(longitude, latitude), []
    for unit in held:
        shape = from_geojson(json.dumps(unit.geometry))
        if shape.covers(point):
            found.append((shape.area, unit.id, unit))
    return min(found)[2] if found else None


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
