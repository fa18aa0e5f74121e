"""SQLite's write-ahead log, asked for by several processes at once."""

from __future__ import annotations

import sqlite3
import time

_PAUSE = 0.02  # s


def use(connection: sqlite3.Connection, patience: float = 30.0) -> None:
    """Put the database into WAL mode, in which readers do not wait for the writer.

    Two processes that change a fresh file's mode in the same instant each hold what the other waits for; SQLite then tells one of them at once
    that the file is locked, whatever its connection's time-out (https://www.sqlite.org/c3ref/busy_handler.html). So it is asked again.

    Parameters
    ----------
    connection : fresh, in no transaction
    patience : seconds after which a lock is an error

    Raises
    ------
    sqlite3.Error
        if it is still locked then, or cannot be used at all
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return
