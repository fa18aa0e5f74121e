"""The store behind the cloud: SQLite in one file, or PostgreSQL by URL; one schema on both."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import DeclarativeBase

from vuong import write_ahead

DEFAULT_URL: Final = "sqlite:///vuong.db"


class Base(DeclarativeBase):
    """What every table class derives from; constraints get names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def connect(url: str) -> Engine:
    """Return an engine for a database URL; PostgreSQL on another machine is spoken to by TLS only, where its URL does not say otherwise.

    Raises
    ------
    ValueError
        if the URL is none of SQLite's or PostgreSQL's
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the database is not a URL; give sqlite:///path or postgresql://user@host/name") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        if not _stays_here(parsed):  # PostgreSQL's own default would speak plain text to whoever says that it has no TLS
            parsed = parsed.update_query_dict({"sslmode": parsed.query.get("sslmode", "require")})
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, pool_size=8, max_overflow=8)
    if backend != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError(
            f"database {parsed.render_as_string()!r} is not usable; give sqlite:///path or postgresql://user@host/name"
        )
    engine = create_engine(parsed, connect_args={"timeout": 30})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _stays_here(url: URL) -> bool:
    """Return whether what is said to the database never leaves this machine."""
    given = url.query.get("host", url.host or "")
    hosts = given.split(",") if isinstance(given, str) else given
    names = [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]  # without a port
    return all(name.startswith(("/", "127.")) or name in {"", "localhost", "::1"} for name in names)


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
    # The driver's own implicit transactions would begin late; ours begin in _begin_sqlite.
    connection.isolation_level = None
    write_ahead.use(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON", "cache_size=-65536", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once, so that it waits its turn instead of failing in the middle.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def conninfo(engine: Engine, *, password: bool = True) -> str:
    """Return PostgreSQL's own connection string of an engine: all of its hosts, and what else its URL says."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - only where PostgreSQL is

    _, parts = engine.dialect.create_connect_args(engine.url)
    parts.pop("context", None)  # SQLAlchemy's own
    return make_conninfo(**{name: str(value) for name, value in parts.items() if password or name != "password"})


def sqlite_path(engine: Engine) -> Path | None:
    """Return the file of an embedded database, ``None`` on PostgreSQL."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def alembic_config() -> Config:
    """Return where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", "cloud:migrations")
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to `revision`, forwards or (``base`` or an older one) back."""
    config = alembic_config()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        if revision == "head":
            command.upgrade(config, revision)
        else:
            command.downgrade(config, revision)
