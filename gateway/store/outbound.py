"""What the cloud has not got yet, in parts that fit one request: newest alarms first, then statuses, then samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from gateway.intervals import Intervals
from gateway.store.schema import QUANTITY_NAMES, connect
from gateway.store.writing import writing
from vuong.contract.batch import SampleColumns

# While the cloud was away, so many of the newest samples go ahead of the backlog.
LIVE: Final = 500
_ALARM_COLUMNS: Final = ("id", "revision", "pond", "node", "kind", "quantity", "state", "raised", "cleared", "acknowledged")
_SAMPLE_COLUMNS: Final = ("node", "boot", "seq", "time", "arrived", "reasons")
_SELECT_SAMPLES: Final = (
    f"SELECT position, {', '.join(_SAMPLE_COLUMNS)}, {', '.join(QUANTITY_NAMES)}, {', '.join(f'{n}_flag' for n in QUANTITY_NAMES)}"  # noqa: S608
    " FROM samples WHERE position BETWEEN ? AND ? ORDER BY position LIMIT ?"
)

Item = tuple[Any, ...]  # its position first


class Stream(Protocol):
    """One kind of rows on its way to the cloud."""

    name: str

    def next(self, limit: int) -> Part | None:
        """Return what goes next, ``None`` where nothing waits."""

    def document(self, items: Sequence[Item]) -> dict[str, object]:
        """Return the rows' part of a `vuong.contract.batch.Batch`."""

    def mark(self, part: Part, last: int) -> None:
        """Remember that the cloud has the part up to position `last`."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one stream whose positions lie in ``first..last``."""

    stream: Stream
    first: int
    last: int
    items: Sequence[Item]

    def halves(self) -> tuple[Part, Part]:
        """Return the part cut in two; it must have two rows at least."""
        middle = len(self.items) // 2
        cut = self.items[middle - 1][0]
        return (
            Part(self.stream, self.first, cut, self.items[:middle]),
            Part(self.stream, cut + 1, self.last, self.items[middle:]),
        )


class Outbound:
    """The outbox's own connection to the database: what is lost of its marks is sent once more, with one effect."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, synchronous="NORMAL")
        self.alarms = AlarmStream(self._connection)
        self.statuses = StatusStream(self._connection)
        self.samples = SampleStream(self._connection)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def quarantine(self, part: Part, reason: str, now: int) -> None:
        """Keep note of one row that the cloud refuses, and pass it by; the row itself stays where it is."""
        content = orjson.dumps(part.stream.document(part.items))
        self._connection.execute(
            "INSERT INTO quarantine (time, source, reason, content) VALUES (?, ?, ?, ?)",
            (now, f"outbox/{part.stream.name}/{part.items[0][0]}", reason[:500], content),
        )
        part.stream.mark(part, part.last)


class AlarmStream:
    """Alarms whose newest revision the cloud has not got, the newest first."""

    name = "alarms"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    def next(self, limit: int) -> Part | None:
        """Return the newest alarms, in rising order of their change."""
        items = self._connection.execute(
            f"SELECT change, numbers, {', '.join(_ALARM_COLUMNS)} FROM alarms WHERE sent < revision ORDER BY change DESC LIMIT ?",  # noqa: S608
            (limit,),
        ).fetchall()[::-1]
        return Part(self, items[0][0], items[-1][0], items) if items else None

    def document(self, items: Sequence[Item]) -> dict[str, object]:
        """Return the alarms, newest first."""
        return {
            "alarms": [
                {**dict(zip(_ALARM_COLUMNS, columns, strict=True)), "numbers": orjson.loads(numbers)}
                for _, numbers, *columns in reversed(items)
            ]
        }

    def mark(self, part: Part, last: int) -> None:
        """Remember the revisions that were sent; a newer one stays unsent."""
        self._connection.executemany(
            "UPDATE alarms SET sent = max(sent, ?) WHERE id = ?",
            [(revision, name) for change, _, name, revision, *_ in part.items if change <= last],
        )


class StatusStream:
    """Changes of the nodes' states, oldest first."""

    name = "statuses"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    def next(self, limit: int) -> Part | None:
        """Return the oldest unsent statuses."""
        items = self._connection.execute(
            "SELECT position, node, time, state, detail FROM statuses WHERE sent = 0 ORDER BY position LIMIT ?", (limit,)
        ).fetchall()
        return Part(self, items[0][0], items[-1][0], items) if items else None

    def document(self, items: Sequence[Item]) -> dict[str, object]:
        """Return the statuses."""
        return {
            "statuses": [
                {"node": node, "time": time, "state": state, "detail": orjson.loads(detail)}
                for _, node, time, state, detail in items
            ]
        }

    def mark(self, part: Part, last: int) -> None:
        """Remember that these were sent."""
        self._connection.executemany(
            "UPDATE statuses SET sent = 1 WHERE position = ?", [(item[0],) for item in part.items if item[0] <= last]
        )


class SampleStream:
    """Samples by position; while there is a backlog, live and old ones take turns so that neither starves the other."""

    name = "samples"

    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection
        self._sent = Intervals(connection.execute("SELECT first, last FROM outbox ORDER BY first"))
        self._live_next = True
        self._held: int | None = None

    def hold(self, position: int | None) -> None:
        """Keep back what lies from `position` on: its times are wrong and about to be repaired, and the cloud keeps what it got first."""
        self._held = position

    def _newest(self) -> int:
        (newest,) = self._connection.execute("SELECT ifnull(max(position), 0) FROM samples").fetchone()
        return int(newest) if self._held is None else min(int(newest), self._held - 1)

    def next(self, limit: int) -> Part | None:
        """Return the next samples: of the live end and of the oldest hole in turn."""
        turns = (self._live, self._backlog) if self._live_next else (self._backlog, self._live)
        self._live_next = not self._live_next
        for turn in turns:
            found = turn(limit)
            if found is not None:
                return found
        return None

    def backlog(self) -> bool:
        """Return whether there is a hole below what was sent already, or nothing was sent at all."""
        return self._sent.end_of(1) < (self._sent.last or 1)

    def waiting(self) -> int:
        """Return how many positions wait."""
        (newest,) = self._connection.execute("SELECT ifnull(max(position), 0) FROM samples").fetchone()
        return int(newest) - sum(last - first + 1 for first, last in self._sent)

    def _live(self, limit: int) -> Part | None:
        newest = self._newest()
        begin = (self._sent.last or 0) + 1
        if newest - begin >= limit + LIVE:  # far behind: the newest first, what lies before becomes backlog
            begin = newest - LIVE + 1
        return self._part(begin, newest, limit)

    def _backlog(self, limit: int) -> Part | None:
        while True:
            done = self._sent.end_of(1)
            following = next((first for first, _ in self._sent if first > done + 1), None)
            if following is None:
                return None
            part = self._part(done + 1, following - 1, limit)
            if part is not None:
                return part
            self._mark(done + 1, following - 1)  # rows that are gone: nothing to send

    def _part(self, first: int, last: int, limit: int) -> Part | None:
        items = self._connection.execute(_SELECT_SAMPLES, (first, last, limit)).fetchall()
        if not items:
            return None
        return Part(self, first, items[-1][0] if len(items) == limit else last, items)

    def document(self, items: Sequence[Item]) -> dict[str, object]:
        """Return the samples as columns; quantities that none of them has are left out."""
        _, node, boot, seq, time, arrived, reasons, *columns = (list(column) for column in zip(*items, strict=True))
        width = len(QUANTITY_NAMES)
        values = {
            name: column
            for name, column in zip(QUANTITY_NAMES, columns[:width], strict=True)
            if any(v is not None for v in column)
        }
        samples: SampleColumns = {
            "node": node,
            "boot": boot,
            "seq": seq,
            "time": time,
            "arrived": arrived,
            "values": values,
            "flags": {name: column for name, column in zip(QUANTITY_NAMES, columns[width:], strict=True) if name in values},
            "reasons": {str(row): orjson.loads(text) for row, text in enumerate(reasons) if text},
        }
        return {"samples": samples}

    def mark(self, part: Part, last: int) -> None:
        """Remember that the cloud has these."""
        self._mark(part.first, min(part.last, last))

    def _mark(self, first: int, last: int) -> None:
        if not self._sent.add(first, last):
            return
        with writing(self._connection):
            self._connection.execute("DELETE FROM outbox")
            self._connection.executemany("INSERT INTO outbox VALUES (?, ?)", list(self._sent))
