"""The schema goes forward and back, and is what the classes say."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, text

from cloud.database import migrate
from cloud.schema import metadata
from cloud.telemetry.partitions import ensure, partitioned


def tables(engine: Engine) -> set[str]:
    """Return the tables, without the partitions of samples and PostGIS's own."""
    return {name for name in inspect(engine).get_table_names() if not name.startswith(("samples_", "spatial_ref_sys"))}


def ours(thing: object, name: str | None, kind: str, *rest: object) -> bool:
    """Return whether the classes say anything of it: nothing of PostGIS's table, nor of what is derived where PostGIS is."""
    return name not in {"spatial_ref_sys", "shape", "ix_ponds_shape", "ix_units_shape", "ix_ponds_place"}


def test_forward_back_and_forward_again(empty_engine: Engine) -> None:
    for _ in range(2):
        migrate(empty_engine)
        assert tables(empty_engine) == {*metadata.tables, "alembic_version"}
        migrate(empty_engine)
        migrate(empty_engine, "base")
        assert tables(empty_engine) == {"alembic_version"}


@pytest.mark.filterwarnings("ignore:Did not recognize type 'geometry':sqlalchemy.exc.SAWarning")
def test_the_migrations_make_what_the_classes_say(empty_engine: Engine) -> None:
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours})
        assert compare_metadata(context, metadata) == []


POND = """INSERT INTO ponds (id, name, species, limits, cooperative_id, polygon, longitude, latitude)
VALUES (:id, 'x', 'vannamei', '{}', 'c', :polygon, :longitude, :latitude)"""
UNIT = "INSERT INTO units (code, level, name, valid_from, geometry) VALUES (:code, 'commune', 'x', '2025-07-01', :geometry)"
SQUARE = '{"type": "Polygon", "coordinates": [[[105.5, 9.5], [105.75, 9.5], [105.75, 9.625], [105.5, 9.625], [105.5, 9.5]]]}'
BOX = (105.5, 9.5, 105.75, 9.625)


def test_places_survive_forward_and_back(empty_engine: Engine) -> None:
    def told(connection: Connection, what: str, table: str) -> list[tuple[Any, ...]]:
        key = "id" if table == "ponds" else "code"
        return [tuple(row) for row in connection.execute(text(f"SELECT {key}, {what} FROM {table} ORDER BY {key}"))]

    def shaped(connection: Connection) -> bool:
        columns = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'shape'"
        return connection.dialect.name == "postgresql" and connection.scalar(text(columns)) == 2

    migrate(empty_engine)
    migrate(empty_engine, "0010")
    with empty_engine.begin() as connection:
        connection.execute(text("INSERT INTO cooperatives (id, name) VALUES ('c', 'C')"))
        ponds = (
            ("drawn", SQUARE, 105.6, 9.55),
            ("half", None, 105.6, None),
            ("none", None, None, None),
            ("point", None, 106.0, 9.0),
        )
        columns = ("id", "polygon", "longitude", "latitude")
        connection.execute(text(POND), [dict(zip(columns, pond, strict=True)) for pond in ponds])
        connection.execute(text(UNIT), [{"code": "1", "geometry": SQUARE}, {"code": "2", "geometry": None}])
        before = [told(connection, "polygon, longitude, latitude", "ponds"), told(connection, "geometry", "units")]
        spatial = connection.dialect.name == "postgresql" and bool(
            connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'postgis'"))
        )
    nothing = (None,) * 4
    for _ in range(2):
        migrate(empty_engine)
        with empty_engine.connect() as connection:
            assert told(connection, "west, south, east, north", "ponds") == [
                ("drawn", *BOX),
                ("half", *nothing),
                ("none", *nothing),
                ("point", 106.0, 9.0, 106.0, 9.0),
            ]
            assert told(connection, "west, south, east, north", "units") == [("1", *BOX), ("2", *nothing)]
            assert shaped(connection) == spatial
            if spatial:
                shapes = [("drawn", "ST_Polygon"), ("half", None), ("none", None), ("point", "ST_Point")]
                assert told(connection, "ST_GeometryType(shape)", "ponds") == shapes
        migrate(empty_engine, "0010")
        with empty_engine.connect() as connection:
            assert [told(connection, "polygon, longitude, latitude", "ponds"), told(connection, "geometry", "units")] == before
            assert not shaped(connection)


def test_samples_survive_forward_and_back(empty_engine: Engine) -> None:
    migrate(empty_engine)
    migrate(empty_engine, "0001")
    rows = [
        {"node": node, "time": 1_790_000_000 + seq * 86_400 * 9, "boot": 7, "seq": seq, "do": seq / 2, "flag": 1 + seq % 2 * 3}
        for node in (1, 2)
        for seq in (1, 2, 3, 5, 6, 9)
    ]
    columns = 'node_id, time, boot, seq, arrived, "do", do_flag, reasons'
    with empty_engine.begin() as connection:
        insert = f"INSERT INTO samples ({columns}) VALUES (:node, :time, :boot, :seq, :time, :do, :flag, :reasons)"
        connection.execute(text(insert), [row | {"reasons": '{"do": {"key": "x"}}'} for row in rows])
        before = connection.execute(text(f"SELECT {columns} FROM samples ORDER BY node_id, seq")).all()
    for _ in range(2):
        migrate(empty_engine)
        with empty_engine.connect() as connection:
            assert connection.execute(text(f"SELECT {columns} FROM samples ORDER BY node_id, seq")).all() == before
            ranges = connection.execute(text("SELECT node_id, boot, first, last FROM received ORDER BY node_id, first")).all()
            assert ranges == [(node, 7, first, last) for node in (1, 2) for first, last in ((1, 3), (5, 6), (9, 9))]
            assert connection.scalar(text("SELECT count(*) FROM stale_hours")) == len(rows)
            if empty_engine.dialect.name == "postgresql":
                assert connection.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhparent = 'samples'::regclass")) >= 3
        migrate(empty_engine, "0001")
        with empty_engine.connect() as connection:
            assert connection.execute(text(f"SELECT {columns} FROM samples ORDER BY node_id, seq")).all() == before


# Debian has neither TimescaleDB nor Citus: these stand in for the one function of each that a migration calls, and note the call.
STAND_INS = """
CREATE TABLE called (what text);
CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval bigint, create_default_indexes boolean)
RETURNS void LANGUAGE sql AS $$ INSERT INTO called VALUES (relation || ' by ' || time_column_name || ', ' || chunk_time_interval) $$;
CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text)
RETURNS void LANGUAGE sql AS $$ INSERT INTO called VALUES (table_name || ' over ' || distribution_column) $$;
"""


def test_samples_are_handed_to_timescale_and_citus_where_they_are(empty_engine: Engine) -> None:
    migrate(empty_engine)
    migrate(empty_engine, "0001")
    with empty_engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(STAND_INS)
        connection.execute(
            text("INSERT INTO samples (node_id, time, boot, seq, arrived) VALUES (1, 1790000000, 7, 1, 1790000000)")
        )
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM samples")) == 1
        if connection.dialect.name == "postgresql":
            assert connection.scalars(text("SELECT what FROM called")).all() == [
                "samples by time, 2592000",
                "samples over node_id",
            ]
            assert not partitioned(connection)
            assert ensure(connection, [1_790_000_000]) == []
