"""Taking administrative units from files: the list of 2025 (JSON), the list before (CSV), outlines (GeoJSON), and a crosswalk (CSV or areas)."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shapely import STRtree
from shapely.errors import GEOSException
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session, defer

from cloud.farms.outline import shape_of
from cloud.farms.tables import Crosswalk, Unit
from cloud.tenancy import Scope, ScopedSession

MERGER: Final = "2025-07-01"
# The list before has no dates of its own: these units are told as they last were.
BEFORE: Final = "1900-01-01"
_SMALLEST_SHARE: Final = 1e-4


class UnitError(ValueError):
    """A file cannot be used; the text names the file, the place and the remedy."""


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UnitError(f"{path.name} cannot be read: {error}") from None


def _rows_of_2025(path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    try:
        for province in json.loads(_text(path)):
            yield province["Code"], "province", province["FullName"], None
            for ward in province["Wards"]:
                yield ward["Code"], "commune", ward["FullName"], province["Code"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnitError(f"{path.name} is no list of 2025 ({error!r}); give [{{Code, FullName, Wards: […]}}]") from None


def _rows_before(path: Path) -> Iterator[tuple[str, str, str, str | None]]:
    seen = set()
    reader = csv.DictReader(io.StringIO(_text(path)))
    needed = {"p_id", "province", "d_id", "district", "c_id", "commune"}
    if not needed <= set(reader.fieldnames or ()):
        raise UnitError(f"{path.name} lacks columns; give {', '.join(sorted(needed))}")
    for row in reader:
        levels = (
            ("province", "p_id", "province", None),
            ("district", "d_id", "district", "p_id"),
            ("commune", "c_id", "commune", "d_id"),
        )
        for level, code, name, parent in levels:
            key = (level, row[code])
            if row[code] and key not in seen:
                seen.add(key)
                yield row[code], level, row[name], row[parent] if parent else None


def import_list(engine: Engine, path: Path, *, before: bool) -> int:
    """Store a list of units, any number of times with one effect; return how many it names.

    Parameters
    ----------
    engine : the store
    path : ``.json`` of 2025, or ``.csv``/``.csv.gz`` of before
    before : which of the two it is
    """
    rows = list(_rows_before(path) if before else _rows_of_2025(path))
    start, end = (BEFORE, MERGER) if before else (MERGER, None)
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        known = select(Unit).where(Unit.valid_from == start).options(defer(Unit.geometry))
        held = {(u.code, u.level): u for u in session.scalars(known)}
        for code, level, name, parent in rows:
            unit = held.get((code, level))
            if unit is None:
                unit = held[code, level] = Unit(code=code, level=level, valid_from=start)
                session.add(unit)
            unit.name, unit.parent, unit.valid_to = name, parent, end
        session.commit()
    return len(rows)


def _without_slivers(geometry: dict[str, Any]) -> dict[str, Any]:
    """Leave out rings of fewer than four points, which rounding leaves behind in public outlines."""
    if geometry["type"] != "MultiPolygon":
        return geometry
    polygons = [[ring for ring in polygon if len(ring) >= 4] for polygon in geometry["coordinates"] if len(polygon[0]) >= 4]
    return geometry | {"coordinates": polygons}


def _geometries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        for feature in json.loads(_text(path))["features"]:
            properties = feature.get("properties") or {}
            code = feature.get("id") or properties.get("level2_id") or properties.get("code")
            geometry = _without_slivers(feature["geometry"])
            empty = shape_of(geometry).is_empty
            if not isinstance(code, str) or empty or geometry["type"] not in {"Polygon", "MultiPolygon"}:
                yield f"(no code or no outline: {properties})", geometry  # told, and the rest goes on
                continue
            yield code, geometry
    except (ValueError, KeyError, IndexError, TypeError, GEOSException) as error:
        if isinstance(error, UnitError):
            raise
        raise UnitError(f"{path.name} is no GeoJSON FeatureCollection ({error!r})") from None


def import_outlines(engine: Engine, path: Path, *, level: str, before: bool) -> tuple[int, list[str]]:
    """Store the outlines of units that are known; return how many, and the codes that are not."""
    unknown, count = [], 0
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        start = BEFORE if before else MERGER
        known = select(Unit).where(Unit.level == level, Unit.valid_from == start).options(defer(Unit.geometry))
        held = {u.code: u for u in session.scalars(known)}
        for code, geometry in _geometries(path):
            if code in held:
                held[code].geometry = geometry
                count += 1
            else:
                unknown.append(code)
        session.commit()
    return count, unknown


def import_crosswalk(engine: Engine, path: Path) -> int:
    """Store a crosswalk ``level,old,new_level,new,weight``; the weights of one old unit over one new level must add up to 1.

    Raises
    ------
    UnitError
        with every mistake of the file; nothing is stored then
    """
    mistakes, sums, links = [], dict[tuple[int, str], float](), dict[str, list[Crosswalk]]()
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        old, new = _held(session, BEFORE), _held(session, MERGER)
        for number, row in enumerate(csv.DictReader(io.StringIO(_text(path))), 2):
            a, b = old.get((row.get("level"), row.get("old"))), new.get((row.get("new_level"), row.get("new")))
            try:
                weight = float(row.get("weight") or "")
            except ValueError:
                weight = -1.0
            if a is None or b is None or not 0 < weight <= 1:
                mistakes.append(
                    f"{path.name}:{number} is {row}; give level,old,new_level,new of known units and a weight up to 1"
                )
                continue
            to = str(row["new_level"])
            sums[a, to] = sums.get((a, to), 0.0) + weight
            links.setdefault(to, []).append(Crosswalk(old_id=a, new_id=b, weight=weight, basis="list"))
        codes = {id_: code for (_, code), id_ in old.items()}
        mistakes += [
            f"{path.name}: the weights of {codes[a]} add up to {s:g}; make it 1"
            for (a, _), s in sums.items()
            if abs(s - 1) > 1e-6
        ]
        if mistakes:
            raise UnitError("\n".join(mistakes))
        for to, own in links.items():
            _store(session, own, to)
        session.commit()
    return sum(len(own) for own in links.values())


def _held(session: Session, start: str) -> dict[tuple[str | None, str | None], int]:
    return {
        (level, code): id_
        for id_, level, code in session.execute(select(Unit.id, Unit.level, Unit.code).where(Unit.valid_from == start))
    }


def _store(session: ScopedSession, links: list[Crosswalk], new_level: str) -> None:
    """Put links in the place of those that the same old units had to the same new level."""
    new = select(Unit.id).where(Unit.level == new_level)
    old = {link.old_id for link in links}
    session.execute(delete(Crosswalk).where(Crosswalk.old_id.in_(old), Crosswalk.new_id.in_(new)))
    session.add_all(links)
    session.flush()


def crosswalk_by_area(engine: Engine, old_level: str, new_level: str) -> int:
    """Weigh old units against new ones by the area that they share, where both have outlines; return how many pairs.

    Shares of area are shares of people or ponds only where these are spread evenly: a list that somebody made is better.
    """
    links = []
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:

        def shapes(level: str, start: str) -> list[tuple[int, Any]]:
            found = session.scalars(select(Unit).where(Unit.level == level, Unit.valid_from == start, Unit.geometry.is_not(None)))
            return [(u.id, shape_of(u.geometry or {}).buffer(0)) for u in found]

        new = shapes(new_level, MERGER)
        tree = STRtree([shape for _, shape in new])
        for old_id, shape in shapes(old_level, BEFORE):
            met = [new[index] for index in tree.query(shape, predicate="intersects")]
            shared = {new_id: shape.intersection(other).area for new_id, other in met}
            kept = {new_id: area for new_id, area in shared.items() if area > _SMALLEST_SHARE * shape.area}
            whole = sum(kept.values())
            links += [Crosswalk(old_id=old_id, new_id=n, weight=area / whole, basis="area") for n, area in kept.items()]
        _store(session, links, new_level)
        session.commit()
    return len(links)
