"""Room on the disk: what the cloud has goes first, oldest first; when nothing of that is left, old samples become coarser before new ones.

Samples that the cloud has not got are thinned, never dropped as a whole: of each node and stretch of time stay the first sample, the lowest and
the highest of every quantity, and the first that was flagged. How many went is kept in the table ``thinned`` and told with the alarm, so that the
cloud knows of it. The last day is never thinned: when even that does not fit, nothing is committed, and so nothing acknowledged, and the nodes
keep what they have.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from gateway.store.schema import QUANTITY_NAMES
from gateway.store.writing import writing

_LOG = logging.getLogger(__name__)

MIB: Final = 1024 * 1024
PAGE: Final = 4096
LOW_SHARE: Final = 0.1  # of the file system
LOW_MOST: Final = 256 * MIB
RESERVE: Final = 4 * MIB
KEPT_FOR: Final = (
    60 * 86_400
)  # s that samples stay, sent or not, where there is room (Circular 10/2021/TT-BTNMT asks it of a logger)
UNTOUCHED: Final = 86_400  # s before now that are never thinned
STRETCHES: Final = (6 * 3600, 86_400)  # s: the first pass leaves a few samples of each 6 h, the second of each day
PIECE: Final = 1000  # rows deleted in one transaction: its pages must fit into what is left


class HasConnection(Protocol):
    """The store: its connection, and where its file lies."""

    path: Path
    _connection: sqlite3.Connection


class Space:
    """Sees that there is room.

    Parameters
    ----------
    store : its connection writes

    Attributes
    ----------
    short : rows younger than 60 days had to go, or there is no room left
    told : bytes that were free when `short` was last found
    removed : samples that the cloud never got and that were thinned out, ever
    """

    def __init__(self, store: HasConnection) -> None:
        self._path, self._connection = store.path, store._connection
        # A full disk cannot even delete: the log of the deletion needs room. This file gives it back.
        self._reserve = self._path.with_name(self._path.name + "-reserve")
        self.short, self.told = False, 0
        self.removed = self._count()
        # The log may take a part of what must be free, and no more: SQLite's own 4 MB are much on a small disk.
        pages = min(1000, max(16, self.low() // 4 // PAGE))
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchone()
        self._keep_reserve()

    def _count(self) -> int:
        (removed,) = self._connection.execute("SELECT ifnull(sum(removed), 0) FROM thinned").fetchone()
        return int(removed)

    def low(self) -> int:
        """Return how many bytes must be free."""
        found = os.statvfs(self._path.parent)
        return int(min(LOW_MOST, LOW_SHARE * found.f_blocks * found.f_frsize))

    def room(self) -> int:
        """Return how many bytes can still be written: free on the disk, and free within the file."""
        found = os.statvfs(self._path.parent)
        (pages,) = self._connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(found.f_bavail * found.f_frsize + pages * size)

    def _keep_reserve(self) -> None:
        size = min(RESERVE, self.low() // 4)
        with contextlib.suppress(OSError):
            if self._reserve.exists() and self._reserve.stat().st_size == size:
                return
            if self.room() > 2 * self.low():
                with self._reserve.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)

    def make(self, now: int, *, urgent: bool = False) -> None:
        """Make room where there is too little.

        Parameters
        ----------
        now : UTC seconds
        urgent : a commit has just failed: give the reserve back first
        """
        wanted = self.low()
        if urgent and self.room() < wanted:
            self._give_back()
        if self.room() >= wanted:
            if self.short and self._enough(wanted):
                self.short = False
            self._keep_reserve()
            return
        try:
            cost = self._free(now, wanted)
        except sqlite3.OperationalError:
            self._give_back()
            try:
                cost = self._free(now, wanted)
            except sqlite3.OperationalError as error:
                _LOG.error("there is no room even to delete (%s): remove other files from the disk of %s", error, self._path)
                cost = True
        if cost or self.room() < wanted:
            self.short, self.told = True, self.room()
        self._keep_reserve()

    def _give_back(self) -> None:
        self._reserve.unlink(missing_ok=True)
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Let the log be written over from its start: else deleting needs as much room as it frees."""
        with contextlib.suppress(sqlite3.OperationalError):  # the file itself cannot grow: what comes next says so
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _free(self, now: int, wanted: int) -> bool:
        """Make room; return whether it cost something that somebody may miss."""
        young = self._drop_sent(now, wanted)
        return self._thin(now, wanted) or young

    def _enough(self, wanted: int) -> bool:
        return self.room() >= 1.5 * wanted

    def _drop_sent(self, now: int, wanted: int) -> bool:
        """Delete the oldest samples that the cloud has; return whether some of the last 60 days were among them."""
        execute, young, count = self._connection.execute, False, 0
        for first, last in execute("SELECT first, last FROM outbox ORDER BY first").fetchall():
            while not self._enough(wanted):
                rows = execute(
                    "SELECT position, arrived FROM samples WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?",
                    (first, last, PIECE),
                ).fetchall()
                if not rows:
                    break
                execute("DELETE FROM samples WHERE position BETWEEN ? AND ?", (rows[0][0], rows[-1][0]))
                self._checkpoint()
                young = young or rows[-1][1] > now - KEPT_FOR
                count += len(rows)
        if count:
            _LOG.info("the disk is nearly full: deleted the %d oldest samples that the cloud has", count)
        return young

    def _unsent(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of positions that the cloud has not got, oldest first."""
        sent = self._connection.execute("SELECT first, last FROM outbox ORDER BY first").fetchall()
        (newest,) = self._connection.execute("SELECT ifnull(max(position), 0) FROM samples").fetchone()
        for (_, before), (after, _) in pairwise([(0, 0), *sent, (newest + 1, newest + 1)]):
            if before + 1 < after:
                yield before + 1, after - 1

    def _thin(self, now: int, wanted: int) -> bool:
        """Make samples coarser that the cloud has not got; return whether any went."""
        any_gone = False
        for stretch in STRETCHES:
            for first, last in self._unsent():
                at = first
                while not self._enough(wanted):
                    upto = self._end_of_stretch(at, last, stretch, now)
                    if upto is None:
                        break
                    any_gone = self._coarsen(at, upto, stretch) or any_gone
                    at = upto + 1
        if any_gone:
            self.removed = self._count()
            _LOG.warning(
                "the disk is nearly full and the cloud is away: %d old samples have been thinned out so far", self.removed
            )
        return any_gone

    def _end_of_stretch(self, first: int, last: int, stretch: int, now: int) -> int | None:
        """Return the last position whose sample came in the same stretch as the first; ``None`` where it is too new to be touched."""
        row = self._connection.execute(
            "SELECT arrived FROM samples WHERE position BETWEEN ? AND ? ORDER BY position LIMIT 1", (first, last)
        ).fetchone()
        if row is None or row[0] // stretch * stretch + stretch > now - UNTOUCHED:
            return None
        end = row[0] // stretch * stretch + stretch
        later = self._connection.execute(
            "SELECT position FROM samples WHERE position BETWEEN ? AND ? AND arrived >= ? ORDER BY position LIMIT 1",
            (first, last, end),
        ).fetchone()
        return last if later is None else int(later[0]) - 1

    def _coarsen(self, first: int, last: int, stretch: int) -> bool:
        execute = self._connection.execute
        group = f"FROM samples WHERE position BETWEEN :first AND :last AND {{}} GROUP BY node, time / {stretch}"
        # With min() or max() SQLite takes the other columns from the row that has it (sqlite.org/lang_select.html, "bare columns").
        wanted = [
            f"SELECT position, min(time) {group.format('1')}",
            f"SELECT position, min(position) {group.format('reasons NOTNULL')}",
        ]
        for name in QUANTITY_NAMES:
            good = group.format(f"{name} NOTNULL")
            wanted += [f"SELECT position, min({name}) {good}", f"SELECT position, max({name}) {good}"]
        span = {"first": first, "last": last}
        keep = {position for query in wanted for position, _ in execute(query, span)}
        present = execute("SELECT position, node, time FROM samples WHERE position BETWEEN :first AND :last", span)
        gone = [(position, node, time // stretch * stretch) for position, node, time in present if position not in keep]
        for at in range(0, len(gone), PIECE):
            piece = gone[at : at + PIECE]
            with writing(self._connection):
                self._connection.executemany("DELETE FROM samples WHERE position = ?", [(position,) for position, _, _ in piece])
                self._connection.executemany(
                    "INSERT INTO thinned VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET removed = removed + 1",
                    [(node, start, stretch) for _, node, start in piece],
                )
            self._checkpoint()
        return bool(gone)
