"""One transaction that writes: all of it, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or take all of it back where something is raised.

    The write lock is taken at the beginning (``BEGIN IMMEDIATE``), so that a writer waits its turn instead of failing in the middle.

    Raises
    ------
    sqlite3.Error
        if the lock is not had in the connection's time-out, or the commit fails; then nothing is written
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite takes some failures back by itself
            connection.execute("ROLLBACK")
        raise
