"""Where ponds lie: which units hold a point, which ponds lie in a unit, on a map or near another.

Two ways, one answer. Where the store has shapes (PostgreSQL with PostGIS, `cloud.farms.shapes`) the database answers by their index; elsewhere the
boxes beside the rows find what can matter and shapely decides. What lies on a border belongs to both sides.
"""

from __future__ import annotations

from typing import Any, Final

import shapely
from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.orm import defer

from cloud.farms import service, units
from cloud.farms.outline import degree_lengths, ground_distance, shape_of
from cloud.farms.shapes import PLACE, asked_by_shape
from cloud.farms.tables import Placed, Pond, Unit
from cloud.tenancy import ScopedSession

FARTHEST: Final = 5000.0  # m: as far as distances in the plane are right to a thousandth
_POND: Final[ColumnElement[Any]] = literal_column("ponds.shape")
_UNIT: Final[ColumnElement[Any]] = literal_column("units.shape")
_POINT: Final[ColumnElement[Any]] = literal_column(PLACE)


def _boxed(table: type[Placed], west: float, south: float, east: float, north: float) -> tuple[ColumnElement[bool], ...]:
    return table.west <= east, table.east >= west, table.south <= north, table.north >= south


def units_at(session: ScopedSession, longitude: float, latitude: float, day: str) -> list[Unit]:
    """Return the units of a day (``YYYY-MM-DD``) whose outline holds a point, the smallest first (commune, then province)."""
    statement = select(Unit).where(units.existed(day))
    if asked_by_shape(session):
        point = func.ST_SetSRID(func.ST_MakePoint(longitude, latitude), 4326)
        statement = statement.where(func.ST_Covers(_UNIT, point)).order_by(func.ST_Area(_UNIT), Unit.id)
        return list(session.scalars(statement.options(defer(Unit.geometry))))
    candidates = session.scalars(statement.where(*_boxed(Unit, longitude, latitude, longitude, latitude)))
    point = shapely.Point(longitude, latitude)
    held = [(shape.area, unit.id, unit) for unit in candidates if (shape := shape_of(unit.geometry or {})).covers(point)]
    return [unit for _, _, unit in sorted(held, key=lambda found: found[:2])]


def ponds_in(session: ScopedSession, unit: Unit) -> list[Pond]:
    """Return the ponds that the session sees whose point lies in a unit, none where the unit has no outline; without their own outlines."""
    if unit.west is None or unit.south is None or unit.east is None or unit.north is None:
        return []
    statement = select(Pond).options(defer(Pond.polygon), defer(Pond.limits))
    if asked_by_shape(session):
        shape = select(_UNIT).select_from(Unit).where(Unit.id == unit.id).scalar_subquery()
        return _ordered(session, statement.where(func.ST_Covers(shape, _POINT)))
    statement = statement.where(Pond.longitude.between(unit.west, unit.east), Pond.latitude.between(unit.south, unit.north))
    ponds, shape = _ordered(session, statement), shape_of(unit.geometry or {})
    shapely.prepare(shape)
    held = shapely.covers(shape, shapely.points([(pond.longitude, pond.latitude) for pond in ponds])) if ponds else ()
    return [pond for pond, inside in zip(ponds, held, strict=True) if inside]


def ponds_on_map(session: ScopedSession, west: float, south: float, east: float, north: float) -> list[Pond]:
    """Return the ponds that the session sees with any part (or, without an outline, their point) on a map of these edges in degrees."""
    if asked_by_shape(session):
        return _ordered(
            session, select(Pond).where(func.ST_Intersects(_POND, func.ST_MakeEnvelope(west, south, east, north, 4326)))
        )
    ponds = _ordered(session, select(Pond).where(*_boxed(Pond, west, south, east, north)))
    shown = shapely.box(west, south, east, north)
    return [pond for pond in ponds if pond.polygon is None or shown.intersects(shape_of(pond.polygon))]


def neighbours(session: ScopedSession, pond: Pond, metres: float) -> list[tuple[Pond, float]]:
    """Return the other ponds that the session sees within `metres` (up to `FARTHEST`) of a pond, bank to bank, and how far; the nearest first."""
    ground = pond.ground()
    if ground is None:
        return []
    own = shape_of(ground)
    west, south, east, north = own.bounds
    wide, high = (1.01 * metres / length for length in degree_lengths(min(max(abs(south), abs(north)), 89)))
    found = []
    for other in ponds_on_map(session, west - wide, south - high, east + wide, north + high):
        far = ground_distance(own, shape_of(other.ground() or {})) if other.id != pond.id else metres + 1
        if far <= metres:
            found.append((other, round(far, 1)))
    return sorted(found, key=lambda pair: (pair[1], pair[0].id))


def _ordered(session: ScopedSession, statement: Select[Pond]) -> list[Pond]:
    return service.ordered(session.scalars(statement))
