"""What the gateway's database says, read without disturbing the gateway that writes it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

_RECENT: Final = 20  # samples of a node that tell its clock


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node as the gateway last knew it.

    Attributes
    ----------
    heard : UTC seconds of its last message; ``None``: never
    detail : fields of its last status
    ahead : seconds that its clock is ahead of the gateway's (below 0: behind); ``None`` where it sends no absolute times
    """

    heard: int | None
    detail: dict[str, object]
    ahead: int | None


class Records:
    """A read-only connection; where there is no usable database, every question has an empty answer (`storage` says why)."""

    def __init__(self, path: Path) -> None:
        self._connection: sqlite3.Connection | None = None
        self.problem: str | None = None
        if not path.exists():
            return
        try:
            self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)
        except sqlite3.Error as error:
            self.problem = str(error)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    def _rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self.problem = str(error)
            return []

    def _number(self, statement: str, *values: object) -> int | None:
        rows = self._rows(statement, *values)
        found = rows[0][0] if rows else None
        return found if isinstance(found, int) else None

    def faults(self) -> list[str]:
        """Return what SQLite's own check finds wrong; empty where all is well."""
        found = [str(row[0]) for row in self._rows("PRAGMA quick_check(5)")]
        if self.problem is not None:
            return [self.problem]
        return [] if found == ["ok"] else found

    def count(self) -> int:
        """Return how many samples are stored."""
        return self._number("SELECT count(*) FROM samples") or 0

    def last_arrival(self) -> int | None:
        """Return UTC seconds at which the last stored sample arrived."""
        return self._number("SELECT arrived FROM samples ORDER BY position DESC LIMIT 1")

    def waiting(self) -> int:
        """Return how many samples the cloud has not got."""
        newest = self._number("SELECT max(position) FROM samples") or 0
        return newest - (self._number("SELECT sum(last - first + 1) FROM outbox") or 0)

    def quarantined(self, since: float) -> int:
        """Return how many unreadable messages were put aside since then."""
        return self._number("SELECT count(*) FROM quarantine WHERE time >= ?", since) or 0

    def node(self, node: str) -> NodeRecord:
        """Return what is known of a node."""
        heard = [
            self._number("SELECT max(heard) FROM ledger WHERE node = ?", node),
            self._number("SELECT max(time) FROM statuses WHERE node = ? AND state = 'online'", node),
        ]
        rows = self._rows("SELECT detail FROM statuses WHERE node = ? ORDER BY position DESC LIMIT 1", node)
        detail = json.loads(str(rows[0][0])) if rows else {}
        # The readings of a backlog are old by right: the youngest of the last few is the live one.
        ahead = self._number(
            "SELECT max(time - arrived) FROM (SELECT time, arrived FROM samples WHERE node = ? AND estimated = 0"
            " ORDER BY position DESC LIMIT ?)",
            node,
            _RECENT,
        )
        return NodeRecord(max((h for h in heard if h is not None), default=None), detail, ahead)
