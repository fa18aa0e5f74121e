"""What people said, in a small database beside the gateway's: acknowledgements, hand readings, calibrations.

The LAN process adds to it, the gateway process applies what is new to its alarms and exchanges entries with the cloud. Entries are never changed,
and a repeat adds nothing. It is a file of its own, so that a phone never takes the ingest's write lock, and what people said and who may come in
outlives a damaged or full database of readings.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.store.schema import StoreError
from gateway.store.writing import writing
from vuong import write_ahead
from vuong.contract.entry import OF_ALARM, Entry, EntryKind

_LOG = logging.getLogger(__name__)

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, pond TEXT NOT NULL, at INTEGER NOT NULL, person TEXT NOT NULL, place TEXT NOT NULL,
    content TEXT NOT NULL,
    alarm TEXT,  -- which somebody acknowledged, shelved, …
    sent INTEGER NOT NULL  -- whether the cloud has it
);
CREATE INDEX IF NOT EXISTS entries_unsent ON entries (position) WHERE sent = 0;
CREATE INDEX IF NOT EXISTS entries_pond ON entries (pond, kind, at);
CREATE INDEX IF NOT EXISTS entries_alarm ON entries (alarm) WHERE alarm IS NOT NULL;
CREATE TABLE IF NOT EXISTS exchange (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;  -- where the cloud's entries go on
"""
_COLUMNS: Final = "id, kind, pond, at, person, place, content"


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        path.touch(mode=0o600)  # it holds hashes of PINs and tokens
        if os.geteuid() == 0:  # `sudo vuong gateway pin` comes before the service: the file is the service's, as its folder is
            owner = path.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        write_ahead.use(connection)
        # FULL: an acknowledgement that the farmer saw confirmed must not be gone after a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(sound)  # noqa: TRY301
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _entry(row: Sequence[Any]) -> Entry:
    name, kind, pond, at, person, place, content = row
    return {"id": name, "kind": kind, "pond": pond, "at": at, "by": person, "where": place, "content": json.loads(content)}


def beside(database: Path) -> Path:
    """Return the file of what people said, beside the gateway's database."""
    return database.with_name(f"{database.stem}.people.db")


class Entries:
    """A connection of its own to the entries; a damaged file is put aside and a new one made.

    Parameters
    ----------
    database : the gateway's database

    Raises
    ------
    gateway.store.schema.StoreError
        if the file cannot be used
    """

    def __init__(self, database: Path) -> None:
        path = beside(database)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _connect(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = path.with_name(f"{path.name}-damaged-{path.stat().st_mtime_ns:x}")
                _LOG.error(
                    "%s is damaged (%s): it is put aside as %s; PINs and phones must be set up anew", path, error, aside.name
                )
                for end in ("", "-wal", "-shm"):
                    file = path.with_name(path.name + end)
                    if file.exists():
                        file.rename(aside.with_name(aside.name + end))
                self._connection = _connect(path)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path} cannot be opened as a database: {error}; check path, rights and disk") from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def add(self, entries: Iterable[Entry], *, sent: bool = False) -> int:
        """Add those that are new; return how many were. An entry that the cloud has too is marked as sent.

        Raises
        ------
        sqlite3.Error
            if they could not be written; none of them is then
        """
        rows = [
            (
                e["id"],
                e["kind"],
                e["pond"],
                e["at"],
                e["by"],
                e["where"],
                json.dumps(e["content"], ensure_ascii=False),
                e["content"]["alarm"] if e["kind"] in OF_ALARM else None,
                sent,
            )
            for e in entries
        ]
        execute = self._connection.execute
        with writing(self._connection):
            (before,) = execute("SELECT count(*) FROM entries").fetchone()
            self._connection.executemany(
                f"INSERT INTO entries ({_COLUMNS}, alarm, sent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                " ON CONFLICT (id) DO UPDATE SET sent = max(sent, excluded.sent) WHERE excluded.sent > sent",
                rows,
            )
            (after,) = execute("SELECT count(*) FROM entries").fetchone()
        return int(after - before)

    def get(self, name: str) -> Entry | None:
        """Return an entry by its id."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM entries WHERE id = ?", (name,)).fetchone()  # noqa: S608
        return _entry(row) if row else None

    def after(self, position: int, limit: int = 500) -> list[tuple[int, Entry]]:
        """Return ``(position, entry)`` of the entries after a position, in the order in which they came."""
        rows = self._connection.execute(
            f"SELECT position, {_COLUMNS} FROM entries WHERE position > ? ORDER BY position LIMIT ?",  # noqa: S608
            (position, limit),
        )
        return [(at, _entry(row)) for at, *row in rows]

    def of_pond(self, pond: str, kind: EntryKind, start: int, end: int, limit: int = 1000) -> list[Entry]:
        """Return a pond's entries of one kind within ``start <= at < end``, the newest first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM entries WHERE pond = ? AND kind = ? AND at >= ? AND at < ? ORDER BY at DESC, id LIMIT ?",  # noqa: S608
            (pond, kind, start, end, limit),
        )
        return [_entry(row) for row in rows]

    def of_alarms(self, alarms: Collection[str]) -> dict[str, list[Entry]]:
        """Return what people did with some alarms, by alarm."""
        found: dict[str, list[Entry]] = {}
        names = list(alarms)
        for begin in range(0, len(names), 500):
            part = names[begin : begin + 500]
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM entries WHERE alarm IN ({', '.join('?' * len(part))}) ORDER BY position",  # noqa: S608
                part,
            )
            for row in rows:
                entry = _entry(row)
                found.setdefault(entry["content"]["alarm"], []).append(entry)
        return found

    def unsent(self, limit: int) -> list[Entry]:
        """Return what the cloud has not got, what people did with alarms first."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM entries WHERE sent = 0 ORDER BY alarm IS NULL, position LIMIT ?",  # noqa: S608
            (limit,),
        )
        return [_entry(row) for row in rows]

    def mark_sent(self, names: Iterable[str]) -> None:
        """Remember that the cloud has these, or will never take them."""
        self._connection.executemany("UPDATE entries SET sent = 1 WHERE id = ?", [(name,) for name in names])

    def last(self) -> int:
        """Return the highest position that there was."""
        (position,) = self._connection.execute("SELECT ifnull(max(position), 0) FROM entries").fetchone()
        return int(position)

    def note(self, name: str) -> str | None:
        """Return what `set_note` kept."""
        row = self._connection.execute("SELECT value FROM exchange WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def set_note(self, name: str, value: str) -> None:
        """Keep where the exchange with the cloud stands."""
        self._connection.execute("INSERT OR REPLACE INTO exchange VALUES (?, ?)", (name, value))

    @property
    def connection(self) -> sqlite3.Connection:
        """Return the connection, for `gateway.lan.access` and tests."""
        return self._connection
