"""Tables of the gateway's database; the quantity columns come from the table of quantities."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from gateway.alarms import journal
from gateway.escalation import tables as escalation
from gateway.store.writing import writing
from vuong import write_ahead
from vuong.quantities import QUANTITIES

QUANTITY_NAMES: Final = tuple(QUANTITIES)
VERSION: Final = 2

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS samples (
    position INTEGER PRIMARY KEY,
    node TEXT NOT NULL, boot INTEGER NOT NULL, seq INTEGER NOT NULL,
    time INTEGER NOT NULL, arrived INTEGER NOT NULL, estimated INTEGER NOT NULL,
    reasons TEXT  -- {quantity: {"key": ..., numbers}} of the readings flagged 3 or 4
);
CREATE TABLE IF NOT EXISTS ledger (
    node TEXT NOT NULL, boot INTEGER NOT NULL,
    floor INTEGER NOT NULL, received TEXT NOT NULL, heard INTEGER NOT NULL, latest INTEGER NOT NULL,
    PRIMARY KEY (node, boot)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS snapshots (  -- what a stage remembered of a node after the sample at `position`
    node TEXT NOT NULL, stage TEXT NOT NULL, position INTEGER NOT NULL, state BLOB NOT NULL,
    PRIMARY KEY (node, stage)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, pond TEXT NOT NULL, node TEXT, kind TEXT NOT NULL, quantity TEXT,
    state TEXT NOT NULL, raised INTEGER NOT NULL, cleared INTEGER, acknowledged INTEGER, numbers TEXT NOT NULL,
    change INTEGER NOT NULL,  -- rises with every revision of any alarm
    sent INTEGER NOT NULL DEFAULT 0  -- revision that the cloud has
);
CREATE INDEX IF NOT EXISTS alarms_unsent ON alarms (change) WHERE sent < revision;
CREATE TABLE IF NOT EXISTS alarm_states (node TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statuses (
    position INTEGER PRIMARY KEY, node TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS alarms_change ON alarms (change);
CREATE INDEX IF NOT EXISTS statuses_unsent ON statuses (position) WHERE sent = 0;
CREATE INDEX IF NOT EXISTS statuses_node ON statuses (node, time);
CREATE TABLE IF NOT EXISTS outbox (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);  -- positions of samples that the cloud has
CREATE TABLE IF NOT EXISTS thinned (  -- what a full disk cost: of so many samples of a node from `start` on, `removed` are gone
    node TEXT NOT NULL, start INTEGER NOT NULL, seconds INTEGER NOT NULL, removed INTEGER NOT NULL,
    PRIMARY KEY (node, start, seconds)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;  -- JSON by name, of the gateway as a whole
CREATE TABLE IF NOT EXISTS aerator_overrides (  -- what a person wants: on, off, auto
    aerator TEXT PRIMARY KEY, wanted TEXT NOT NULL, "by" TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
    position INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL, reason TEXT NOT NULL, content BLOB
);
"""


class StoreError(Exception):
    """The database cannot be used; the message says what to do."""


class DamagedError(Exception):
    """The database file is damaged; `gateway.store.salvage` saves what can be read."""


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether SQLite says that the file itself is damaged, rather than busy, full or read-only."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: Path, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open the database and bring its tables up to date.

    With `synchronous` FULL a commit is on the disk when it returns, power cut or not: what an ``ack`` may rely on. A connection whose last
    commits may be lost without harm can ask for NORMAL.

    Raises
    ------
    DamagedError
        if the file is damaged
    StoreError
        if the file is of a newer version or cannot be opened
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30, cached_statements=256)
        write_ahead.use(connection)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA busy_timeout = 30000")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(f"{path} is of version {version}, this gateway knows {VERSION}; update the gateway")
        if version < VERSION:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} {journal.TABLES} {escalation.TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
            )
        _add_quantities(connection)
    except sqlite3.Error as error:
        if is_damage(error):
            raise DamagedError(f"{path}: {error}") from error
        raise StoreError(f"{path} cannot be opened as a database: {error}; check path, rights and disk") from error
    return connection


def _add_quantities(connection: sqlite3.Connection) -> None:
    """Add the columns of quantities that the table has not got yet; gateway and LAN page may come to it at the same moment."""
    if not _lacking(connection):
        return
    with writing(connection):
        for column in _lacking(connection):
            connection.execute(f"ALTER TABLE samples ADD COLUMN {column} {'INTEGER' if column.endswith('_flag') else 'REAL'}")


def _lacking(connection: sqlite3.Connection) -> list[str]:
    present = {row[1] for row in connection.execute("PRAGMA table_info(samples)")}
    return [column for name in QUANTITY_NAMES for column in (name, f"{name}_flag") if column not in present]
