"""WAL mode where others have the file open."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from vuong import write_ahead


@pytest.mark.slow
def test_several_may_open_a_fresh_file_in_the_same_instant(tmp_path: Path) -> None:
    for number in range(120):  # SQLite alone refuses some ten of these
        together = threading.Barrier(4)

        def enter(path: Path, together: threading.Barrier = together) -> str:
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
                together.wait()
                write_ahead.use(connection)
                return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(enter, [tmp_path / f"{number}.db"] * 4)) == ["wal"] * 4


def test_its_patience_ends(tmp_path: Path) -> None:
    path = tmp_path / "fresh.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(sqlite3.connect(path, timeout=0)) as ours:
        other.executescript("CREATE TABLE things (name TEXT); BEGIN; SELECT * FROM things;")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            write_ahead.use(ours, patience=0.05)


def test_what_is_no_database_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "no.db"
    path.write_text("this is a letter, not a database, and it is long enough to be read as one" * 20)
    with closing(sqlite3.connect(path)) as ours, pytest.raises(sqlite3.DatabaseError, match="not a database"):
        write_ahead.use(ours)
