"""The schema goes forward and back, and is what the classes say."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect

from cloud.database import migrate
from cloud.schema import metadata


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
