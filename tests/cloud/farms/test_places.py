"""Where ponds lie: every store tells what shapely alone tells of all rows, with PostGIS and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, text

from cloud.database import migrate
from cloud.farms import places
from cloud.farms.importer import import_farm
from cloud.farms.outline import ground_area, ground_distance
from cloud.farms.shapes import extension, shaped
from cloud.farms.tables import Node, Pond, Unit
from cloud.operations.doctor import examine
from cloud.tenancy import Scope, ScopedSession
from tests.cloud.batches import NOW

MERGER = "2025-07-01"
# On this grid every border can be hit exactly: sums and products of so few bits lose nothing.
GRID, WEST, SOUTH, CELLS = 1 / 1024, 105.875, 9.5, 24
spot = st.tuples(st.integers(0, CELLS), st.integers(0, CELLS)).map(lambda at: (WEST + at[0] * GRID, SOUTH + at[1] * GRID))


def drawn(corners: list[tuple[float, float]]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in (*corners, corners[0])]]}


shapes = (
    st.lists(spot, min_size=3, max_size=3).map(drawn).filter(lambda polygon: shapely.Polygon(polygon["coordinates"][0]).area > 0)
)
ponds = st.lists(st.tuples(st.sampled_from(["coop-a", "coop-b"]), st.none() | spot, st.none() | shapes), max_size=7)
days = st.sampled_from([("1900-01-01", MERGER), (MERGER, None)])
units = st.lists(st.tuples(st.sampled_from(["commune", "province"]), days, st.none() | shapes), max_size=5)


@pytest.fixture
def postgis(engine: Engine) -> Engine:
    """Give a PostgreSQL with PostGIS."""
    with engine.connect() as connection:
        if extension(connection, "postgis") is None:
            pytest.skip("LEFT OUT: PostGIS is not installed here (Debian: postgresql-15-postgis-3)")
    return engine


def store(engine: Engine, held: list[Any], drawn_units: list[Any]) -> tuple[list[Pond], list[Unit]]:
    """Replace ponds and units; return them as they were stored."""
    with ScopedSession(engine.execution_options(writes=True), Scope.everything()) as session:
        for table in (Node, Unit, Pond):
            session.execute(delete(table))
        new_ponds = []
        for number, (coop, at, polygon) in enumerate(held):
            longitude, latitude = at or (None, None)
            place = {"longitude": longitude, "latitude": latitude, "polygon": polygon}
            new_ponds.append(Pond(id=f"p{number}", name="x", species="vannamei", limits={}, cooperative_id=coop, **place))
        new_units = [
            Unit(id=number, code=str(number), level=level, name="x", valid_from=since, valid_to=until, geometry=geometry)
            for number, (level, (since, until), geometry) in enumerate(drawn_units, 1)
        ]
        session.add_all([*new_ponds, *new_units])
        session.commit()
    return new_ponds, new_units


def shape(row: Pond | Unit) -> shapely.Geometry | None:
    if isinstance(row, Pond) and row.polygon is None:
        return None if row.longitude is None else shapely.Point(row.longitude, row.latitude)
    geometry = row.polygon if isinstance(row, Pond) else row.geometry
    return None if geometry is None else shapely.Polygon(geometry["coordinates"][0])


def compare(engine: Engine) -> None:
    """Compare what a store tells with what shapely tells of all rows."""

    @settings(max_examples=20, deadline=None)
    @given(held=ponds, drawn_units=units, at=spot, other=spot, metres=st.floats(1, 3000), coop=st.sampled_from([None, "coop-a"]))
    def check(
        held: list[Any],
        drawn_units: list[Any],
        at: tuple[float, float],
        other: tuple[float, float],
        metres: float,
        coop: str | None,
    ) -> None:
        all_ponds, all_units = store(engine, held, drawn_units)
        seen = [pond for pond in all_ponds if coop in {None, pond.cooperative_id}]
        (west, south), (east, north) = map(min, zip(at, other, strict=True)), map(max, zip(at, other, strict=True))
        assume(west < east and south < north)
        edges = shapely.box(west, south, east, north)
        with ScopedSession(engine, Scope.everything() if coop is None else Scope.of(coop)) as session:
            for day, valid in (("2025-06-30", "1900-01-01"), ("2025-07-01", MERGER)):
                holding = [u for u in all_units if u.valid_from == valid and shape(u) and shape(u).covers(shapely.Point(*at))]
                expected = [u.id for u in sorted(holding, key=lambda u: (shape(u).area, u.id))]
                assert [u.id for u in places.units_at(session, *at, day)] == expected
            for unit in all_units:
                inside = {
                    p.id
                    for p in seen
                    if shape(unit) and p.longitude and shape(unit).covers(shapely.Point(p.longitude, p.latitude))
                }
                assert {p.id for p in places.ponds_in(session, session.get_one(Unit, unit.id))} == inside
            found = {p.id for p in places.ponds_on_map(session, west, south, east, north)}
            assert found == {p.id for p in seen if shape(p) and shape(p).intersects(edges)}
            for pond in seen[:2]:
                far = {p.id: ground_distance(shape(pond), shape(p)) for p in seen if shape(p) and shape(pond) and p is not pond}
                near = places.neighbours(session, session.get_one(Pond, pond.id), metres)
                assert {p.id: d for p, d in near} == {name: round(d, 1) for name, d in far.items() if d <= metres}
                assert [d for _, d in near] == sorted(d for _, d in near)

    check()


def test_every_store_tells_what_shapely_tells_of_all_rows(engine: Engine) -> None:
    compare(engine)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgresql_without_postgis_tells_the_same(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP EXTENSION IF EXISTS postgis CASCADE"))
        assert not shaped(connection)
    compare(engine)


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgis_answers_by_its_indexes_and_nothing_is_reckoned_here(postgis: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    square = drawn([(105.9, 9.6), (105.92, 9.6), (105.92, 9.62), (105.9, 9.62)])
    held = [("coop-a", (105.91, 9.61), None), ("coop-b", (105.91, 9.61), square), ("coop-a", (105.95, 9.61), None)]
    store(postgis, held, [("commune", (MERGER, None), square)])

    def not_here(*arguments: object) -> None:
        pytest.fail("shapely was asked")

    asked: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        if "ST_" in statement:
            asked.append((statement, parameters))

    monkeypatch.setattr(places, "shape_of", not_here)
    event.listen(postgis, "before_cursor_execute", note)
    with ScopedSession(postgis, Scope.of("coop-a")) as session:
        [unit] = places.units_at(session, 105.91, 9.61, MERGER)
        assert [pond.id for pond in places.ponds_in(session, unit)] == ["p0"]
        assert [pond.id for pond in places.ponds_on_map(session, 105.9, 9.6, 106, 9.7)] == ["p0", "p2"]
    event.remove(postgis, "before_cursor_execute", note)
    with postgis.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        connection.exec_driver_sql("SET enable_indexscan = off")  # few rows: any other index would do as well
        for (statement, parameters), index in zip(asked, ("ix_units_shape", "ix_ponds_place", "ix_ponds_shape"), strict=True):
            plan = "\n".join(connection.exec_driver_sql("EXPLAIN " + statement, parameters).scalars())
            assert re.search(rf"Bitmap Index Scan on {index}\b", plan), plan


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_areas_and_distances_are_those_of_postgis(postgis: Engine) -> None:
    where = st.tuples(st.floats(102, 110), st.floats(8, 24))
    # An outline of hundreds of metres, its neighbour up to two kilometres away.
    size = st.floats(-0.003, 0.003)
    offsets = st.lists(st.tuples(size, size), min_size=6, max_size=6)

    with postgis.connect() as connection:

        @settings(max_examples=60, deadline=None)
        @given(where, offsets, st.tuples(st.floats(-0.015, 0.015), st.floats(-0.015, 0.015)))
        def check(at: tuple[float, float], corners: list[tuple[float, float]], away: tuple[float, float]) -> None:
            one = shapely.MultiPoint([(at[0] + x, at[1] + y) for x, y in corners[:3]]).convex_hull
            other = shapely.MultiPoint([(at[0] + x + away[0], at[1] + y + away[1]) for x, y in corners[3:]]).convex_hull
            # 5 m across at least: of less the bend of the sides, which is millimetres, would be a part that counts.
            assume(min(one.buffer(-2e-5).area, other.buffer(-2e-5).area) > 0)
            sql = (
                "SELECT ST_Area(a::geography), ST_Distance(a::geography, b::geography) FROM (SELECT ST_GeomFromText(%s, 4326) a, "
            )
            told = connection.exec_driver_sql(sql + "ST_GeomFromText(%s, 4326) b) _", (one.wkt, other.wkt)).one()
            assert ground_area(one) == pytest.approx(told[0], rel=1e-3)
            assert ground_distance(one, other) == pytest.approx(told[1], rel=1e-3, abs=0.02)

        check()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_postgis_may_come_later_and_go_again(postgis: Engine) -> None:
    def told() -> tuple[str, str]:
        found = {finding.check: finding for finding in examine(postgis, NOW)}
        return found["postgis"].level, found["postgis"].told + found["postgis"].remedy

    assert told()[0] == "ok"
    with postgis.begin() as connection:
        connection.execute(text("DROP EXTENSION postgis CASCADE"))
    assert "not in this database" in told()[1]
    migrate(postgis)
    with postgis.begin() as connection:
        assert not shaped(connection)
        connection.execute(text("CREATE EXTENSION postgis"))
    level, remedy = told()
    assert level == "warning"
    assert remedy.endswith("run: vuong cloud migrate")
    migrate(postgis)
    with postgis.connect() as connection:
        assert shaped(connection)
    assert told()[0] == "ok"


@pytest.fixture
def placed(engine: Engine) -> Iterator[Engine]:
    """Give a store with two communes of today, one of before that lay over both, and four ponds."""
    west, east = ([(x, 9.6), (x + 0.02, 9.6), (x + 0.02, 9.62), (x, 9.62)] for x in (105.9, 105.92))
    both = [(105.9, 9.6), (105.94, 9.6), (105.94, 9.62), (105.9, 9.62)]
    held = [("coop-a", (105.91, 9.61), None), ("coop-b", (105.9105, 9.61), None), ("coop-a", (105.93, 9.61), None)]
    now, before = (MERGER, None), ("1900-01-01", MERGER)
    store(
        engine,
        [*held, ("coop-a", None, None)],
        [("commune", now, drawn(west)), ("commune", now, drawn(east)), ("commune", before, drawn(both)), ("province", now, None)],
    )
    return engine


def test_ponds_of_a_commune_before_and_after_the_merger(placed: Engine, ask: Callable[..., httpx.Response]) -> None:
    def of(who: str, path: str, **query: object) -> list[str]:
        reply = ask(who, "GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return [row.get("id") or row["code"] for row in reply.json()]

    assert of("canbo", "/units/1/ponds") == ["p0", "p1"]
    assert of("sau", "/units/1/ponds") == ["p0"], "of another co-op"
    assert of("canbo", "/units/3/ponds", day="2025-06-30") == ["p0", "p2", "p1"]
    assert ask("canbo", "GET", "/units/3/ponds").status_code == 404
    assert ask("canbo", "GET", "/units/1/ponds", params={"day": "2025-06-30"}).status_code == 404
    assert ask("canbo", "GET", "/units/4/ponds", params={"level": "province"}).status_code == 409
    assert of("sau", "/ponds/p0/units") == ["1"]
    assert of("sau", "/ponds/p0/units", day="2025-06-30") == ["3"]
    assert of("sau", "/ponds/p3/units") == []
    assert ask("sau", "GET", "/ponds/p1/units").status_code == 404
    assert ask("sau", "GET", "/ponds/p0/outline").json()["properties"]["unit"] == "1"


def test_a_map_and_the_neighbours_show_what_one_may_see(placed: Engine, ask: Callable[..., httpx.Response]) -> None:
    def ids(who: str, path: str, **query: object) -> list[Any]:
        return [row["id"] for row in ask(who, "GET", path, params=query).json()]

    assert ids("canbo", "/ponds", within="105.905,9.6,105.92,9.62") == ["p0", "p1"]
    assert ids("sau", "/ponds", within="105.905,9.6,105.92,9.62") == ["p0"]
    for wrong in ("", "1,2,3", "106,9,105,10", "a,b,c,d", "nan,9,106,10", "105,9,106,91"):
        assert ask("sau", "GET", "/ponds", params={"within": wrong}).status_code == 422, wrong
    [near] = ask("canbo", "GET", "/ponds/p0/neighbours").json()
    assert (near["id"], near["distance"]) == ("p1", pytest.approx(54.9, abs=0.1))
    assert ids("canbo", "/ponds/p0/neighbours", metres=3000) == ["p1", "p2"]
    assert ids("sau", "/ponds/p0/neighbours", metres=3000) == ["p2"]
    assert ids("sau", "/ponds/p3/neighbours") == []
    assert ask("sau", "GET", "/ponds/p1/neighbours").status_code == 404
    assert ask("sau", "GET", "/ponds/p0/neighbours", params={"metres": 6000}).status_code == 422


def test_the_farm_file_moves_a_pond(engine: Engine, ask: Callable[..., httpx.Response], tmp_path: Path) -> None:
    pond = {"id": "ao-a1", "cooperative": "coop-a", "name": "Ao A1", "species": "vannamei", "longitude": 105.9, "latitude": 9.6}
    for longitude, shown in ((105.9, ["ao-a1"]), (106.4, []), (105.9, ["ao-a1"])):
        import_farm(engine, {"ponds": [pond | {"longitude": longitude}]}, tmp_path)
        found = ask("sau", "GET", "/ponds", params={"within": "105.8,9.5,106,9.7"}).json()
        assert [row["id"] for row in found] == shown
