"""The schema goes forward and back, and is what the classes say."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from cloud.database import migrate
from cloud.schema import metadata
from cloud.telemetry.partitions import ensure, partitioned


def tables(engine: Engine) -> set[str]:
    """Return the tables, without the partitions of samples."""
    return {name for name in inspect(engine).get_table_names() if not name.startswith("samples_")}


def test_forward_back_and_forward_again(empty_engine: Engine) -> None:
    for _ in range(2):
        migrate(empty_engine)
        assert tables(empty_engine) == {*metadata.tables, "alembic_version"}
        migrate(empty_engine)
        migrate(empty_engine, "base")
        assert tables(empty_engine) == {"alembic_version"}


def test_the_migrations_make_what_the_classes_say(empty_engine: Engine) -> None:
    migrate(empty_engine)
    with empty_engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


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
