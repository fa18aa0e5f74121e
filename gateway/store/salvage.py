"""A damaged database: put aside, what can be read copied into a new one, and on with the work.

What the cloud has is not lost with the file. What it has not got and cannot be read is counted and told. What the gateway no longer has, it no
longer counts as received: a node that still holds it is asked for it again.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.intervals import Intervals
from gateway.store import pages
from gateway.store.schema import DamagedError, connect, is_damage
from gateway.store.store import Store

_LOG = logging.getLogger(__name__)

# Looking a file through takes about a second for each 100 MB on a card; a larger one is looked at when an error was met.
LOOKED_THROUGH: Final = 256 * 2**20
_MANY: Final = 500
_FAR: Final = 2**40
_BUILT: Final = "-salvaged"
_SUSPECT: Final = "-suspect"


def open_store(path: Path, now: int, *, damaged: bool = False) -> Store:
    """Open the gateway's database; a damaged one is salvaged first.

    Parameters
    ----------
    path : the SQLite file; it is made where there is none
    now : UTC seconds, for the name of a file that is put aside
    damaged : it is known to be damaged

    Raises
    ------
    gateway.store.schema.StoreError
        if there can be no database in that place
    """
    built, suspect = _beside(path, _BUILT), _beside(path, _SUSPECT)
    if not path.exists() and built.exists():
        built.rename(path)  # the process ended between the two renames of `salvage`
    store = None if damaged else _sound(path, suspect)
    if store is None:
        _LOG.error("%s is damaged: it is put aside and what can be read is salvaged", path)
        salvage(path, now)
        store = Store(path)
    suspect.unlink(missing_ok=True)
    return store


def _sound(path: Path, suspect: Path) -> Store | None:
    """Return the database, or ``None`` where it is damaged."""
    store = None
    try:
        store = Store(path)
        if suspect.exists() or path.stat().st_size <= LOOKED_THROUGH:
            store.look_through()
    except DamagedError as error:
        _LOG.error("%s: %s", path, error)
        if store is not None:
            store.close()
        return None
    return store


def suspect(path: Path) -> None:
    """Note that an error was met: the file is looked through at the next start, whatever its size."""
    with suppress(OSError):
        _beside(path, _SUSPECT).touch()


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def salvage(path: Path, now: int) -> None:
    """Build a new database from what can be read of a damaged one, and put that aside as ``<name>.damaged-<time>``."""
    built = _beside(path, _BUILT)
    for ending in ("", "-wal", "-shm"):
        _beside(built, ending).unlink(missing_ok=True)
    stamp = f".damaged-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    # A clock that starts in 1970 again and again gives the same name twice.
    aside = next(p for n in range(10_000) if not (p := _beside(path, f"{stamp}-{n}" if n else stamp)).exists())
    saved = lost = 0
    with closing(connect(built)) as new:
        try:
            saved, lost = _fill(new, path)
        except sqlite3.OperationalError as error:
            _LOG.error("not all could be copied: %s", error)  # a full disk: to go on with a part is better than not to go on
        note = {"file": aside.name, "saved": saved, "lost": lost}
        new.execute("INSERT OR REPLACE INTO state VALUES ('salvage', ?)", (orjson.dumps(note).decode(),))
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    for ending in ("-wal", ""):  # the log first: without it the file is older, not newer
        with suppress(FileNotFoundError):
            _beside(path, ending).rename(_beside(aside, ending))
    _beside(path, "-shm").unlink(missing_ok=True)
    built.rename(path)
    _LOG.error(
        "salvaged %d samples; %d that the cloud has not got are lost; the damaged file is kept as %s", saved, lost, aside.name
    )


def _fill(new: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """Copy all tables; return how many samples were saved, and how many that the cloud has not got were not."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.text_factory = lambda data: data.decode("utf-8", "replace")
        tables = [
            (name, "WITHOUT ROWID" not in sql)
            for name, sql in new.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        ]
        for name, by_rowid in tables:
            columns = [row[1] for row in new.execute(f"PRAGMA table_info({name})")]
            known = _known_columns(old, name)
            shared = [column for column in columns if not known or column in known]
            new.execute("BEGIN")
            _insert(new, name, shared, _rows(old, name, shared, by_rowid=by_rowid))
            if name == "samples":
                # The order of the columns as the damaged file has it; where its schema is lost it is taken to be ours.
                _insert(new, name, *_from_pages(path, known or columns, columns))
            new.execute("COMMIT")
    return _repair(new)


def _known_columns(old: sqlite3.Connection, table: str) -> list[str]:
    try:
        return [row[1] for row in old.execute(f"PRAGMA table_info({table})")]
    except sqlite3.DatabaseError:
        return []


def _insert(new: sqlite3.Connection, table: str, columns: list[str], found: Iterator[tuple[Any, ...]]) -> None:
    statement = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
    check = _is_sample if table == "samples" else None
    for row in found:
        if check is None or check(dict(zip(columns, row, strict=True))):
            with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
                new.execute(statement, row)


def _is_sample(row: dict[str, Any]) -> bool:
    """Return whether a row can be a sample: a damaged page may hold anything."""
    node = row.get("node")
    whole = all(
        type(row.get(name)) is int and row[name] >= 0 for name in ("position", "boot", "seq", "time", "arrived", "estimated")
    )
    if not whole or not isinstance(node, str) or len(node) != 16 or not set(node) <= set("0123456789abcdef"):
        return False
    if row["boot"] >= 2**32 or not 1 <= row["seq"] <= 2**53 or row["position"] > _FAR:
        return False
    try:
        if row.get("reasons") is not None:
            orjson.loads(row["reasons"])
    except (orjson.JSONDecodeError, TypeError):
        return False
    return all(value is None or type(value) in {int, float} for name, value in row.items() if name not in {"node", "reasons"})


def _rows(old: sqlite3.Connection, table: str, columns: list[str], *, by_rowid: bool) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that SQLite can still read."""
    names = ", ".join(columns)
    if not by_rowid:
        for order in ("", " ORDER BY 1 DESC"):
            with suppress(sqlite3.DatabaseError):
                yield from old.execute(f"SELECT {names} FROM {table}{order}")  # noqa: S608
                return
        return
    at, many = 0, _MANY
    while True:
        try:
            query = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"  # noqa: S608 - our own names
            found = old.execute(query, (at, many)).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                return  # the table is not even known
            if many > 1:
                many = 1
                continue
            beyond = _beyond(old, table, at)
            if beyond is None:
                return
            at = beyond
            continue
        for _, *row in found:
            yield tuple(row)
        if len(found) < many:
            return
        at, many = found[-1][0], _MANY


def _beyond(old: sqlite3.Connection, table: str, at: int) -> int | None:
    """Return the lowest rowid from which on SQLite can read again."""

    def reads(start: int) -> bool:
        try:
            old.execute(f"SELECT * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1", (start,)).fetchone()  # noqa: S608
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while not reads(at + step):
        step *= 2
        if step > _FAR:
            return None
    low, high = step // 2, step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reads(at + middle) else (middle, high)
    return at + high


def _from_pages(path: Path, order: list[str], columns: list[str]) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
    """Return the samples that lie in pages to which no way leads any more."""

    def found() -> Iterator[tuple[Any, ...]]:
        for rowid, values in pages.rows(path):
            if 8 <= len(values) <= len(order) and values[0] is None:
                row = dict(zip(order, values, strict=False)) | {"position": rowid}
                yield tuple(row.get(column) for column in columns)

    return columns, found()


def _repair(new: sqlite3.Connection) -> tuple[int, int]:
    """Bring ledger and outbox in line with the samples that are there; return how many are, and how many unsent ones are not."""
    new.execute("BEGIN")
    # A page that was written over can yield a sample twice, under an old position.
    new.execute("DELETE FROM samples WHERE position NOT IN (SELECT max(position) FROM samples GROUP BY node, boot, seq)")
    sent = Intervals()
    for first, last in new.execute("SELECT first, last FROM outbox ORDER BY first").fetchall():
        if type(first) is int and type(last) is int and 1 <= first <= last < _FAR:
            sent.add(first, last)
    newest = new.execute("SELECT ifnull(max(position), 0) FROM samples").fetchone()[0]
    received: dict[tuple[str, int], Intervals] = {}
    saved = waiting = 0
    for position, node, boot, seq in new.execute("SELECT position, node, boot, seq FROM samples ORDER BY node, boot, seq"):
        received.setdefault((node, boot), Intervals()).add(seq)
        saved += 1
        waiting += position not in sent
    for (node, boot), numbers in received.items():
        times = "SELECT max(arrived), max(min(time, arrived)) FROM samples WHERE node = ? AND boot = ?"
        heard, latest = new.execute(times, (node, boot)).fetchone()
        text = orjson.dumps(list(numbers)).decode()
        new.execute(
            "INSERT INTO ledger VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT DO UPDATE SET received = excluded.received",
            (node, boot, text, heard, latest),
        )
    (thinned,) = new.execute("SELECT ifnull(sum(removed), 0) FROM thinned").fetchone()
    unsent = newest - sum(last - first + 1 for first, last in sent if last <= newest)
    new.execute("DELETE FROM outbox")
    new.executemany("INSERT INTO outbox VALUES (?, ?)", list(sent))
    new.execute("DELETE FROM snapshots WHERE position > ?", (newest,))
    new.execute("COMMIT")
    return saved, max(0, unsent - waiting - thinned)
