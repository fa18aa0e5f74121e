"""What the ingest writes, one transaction for many messages, and what it needs again after a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import orjson

from gateway.alarms import journal
from gateway.alarms.states import shifted
from gateway.intervals import Intervals
from gateway.ledger import BootKey, Entry, LedgerRow
from gateway.observation import Observation
from gateway.pipeline import StageState
from gateway.store.schema import QUANTITY_NAMES, DamagedError, connect
from gateway.store.writing import writing
from vuong.contract.batch import AlarmRow, StatusRow
from vuong.flags import Flag
from vuong.readings import Sample

KEPT_IN_QUARANTINE: Final = 1000
KEPT_STATUSES: Final = 200_000  # that the cloud has: of 100 nodes that tell of themselves every hour the last three months
MODELS_STAND: Final = 3600  # s by which a clock may have been wrong before what the models learned meanwhile is learned again
_BAD: Final = (Flag.SUSPECT, Flag.FAIL)
_COLUMNS: Final = ["position", "node", "boot", "seq", "time", "arrived", "estimated", "reasons"]
_COLUMNS.extend(column for name in QUANTITY_NAMES for column in (name, f"{name}_flag"))
# Column names come from our own table of quantities, here and below.
_INSERT: Final = f"INSERT INTO samples ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608
_ROW: Final = f"({', '.join('?' * len(_COLUMNS))})"
# Each step of a statement gives up the interpreter's lock and must win it back: many rows a statement leave the other threads alone.
ROWS_A_STATEMENT: Final = 50
_INSERT_MANY: Final = _INSERT + ", ".join([_ROW] * ROWS_A_STATEMENT)

SampleRow = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Something that came in and is no message; kept for a technician to look at."""

    time: int
    source: str
    reason: str
    content: bytes


@dataclass(slots=True)
class Changes:
    """All that one transaction writes."""

    samples: list[SampleRow] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    alarms: list[AlarmRow] = field(default_factory=list)
    alarm_states: dict[str, bytes] = field(default_factory=dict)
    journal: list[journal.JournalRow] = field(default_factory=list)
    statuses: list[StatusRow] = field(default_factory=list)
    snapshots: list[StageState] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)
    state: dict[str, object] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(
            (
                self.samples,
                self.ledger,
                self.alarms,
                self.alarm_states,
                self.statuses,
                self.snapshots,
                self.quarantine,
                self.state,
            )
        )


def sample_row(position: int, observation: Observation) -> SampleRow:
    """Return the row of an observation."""
    sample, assessments = observation.sample, observation.assessments
    values = sample.values
    reasons: dict[str, dict[str, object]] | None = None
    row: list[Any] = [
        position, sample.node, sample.boot, sample.seq, sample.time, observation.arrived, sample.estimated, None,
    ]  # fmt: skip
    for name in QUANTITY_NAMES:
        value = values.get(name)
        if value is None:
            row += (None, None)
            continue
        assessment = assessments[name]
        row += (value, int(assessment.flag))
        if assessment.flag in _BAD and assessment.reason is not None:
            reasons = reasons or {}
            reasons[name] = {**assessment.reason.numbers, "key": assessment.reason.key}
    if reasons:
        row[7] = orjson.dumps(reasons).decode()
    return tuple(row)


class Store:
    """The ingest's connection to the database.

    Parameters
    ----------
    path : the SQLite file; it is made where there is none

    Raises
    ------
    gateway.store.schema.StoreError
        if the file cannot be used
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def look_through(self) -> None:
        """Let SQLite look the whole file through.

        Raises
        ------
        DamagedError
            if it finds a fault
        """
        try:
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            raise DamagedError(str(error)) from error
        if found != ("ok",):
            raise DamagedError(str(found[0]))

    def commit(self, changes: Changes) -> None:
        """Write all changes; when this returns they survive a power cut.

        Raises
        ------
        sqlite3.Error
            if they could not be written; none of them is then
        """
        execute, many = self._connection.execute, self._connection.executemany
        with writing(self._connection):
            self._insert(changes.samples)
            if changes.ledger:
                many(
                    "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " floor = excluded.floor, received = excluded.received, heard = excluded.heard, latest = excluded.latest",
                    changes.ledger,
                )
            if changes.state:
                many(
                    "INSERT OR REPLACE INTO state VALUES (?, ?)",
                    [(name, orjson.dumps(value).decode()) for name, value in changes.state.items()],
                )
            for alarm in changes.alarms:
                self._write_alarm(alarm)
            if changes.alarm_states:
                many("INSERT OR REPLACE INTO alarm_states VALUES (?, ?)", list(changes.alarm_states.items()))
            if changes.journal:
                many(journal.INSERT, changes.journal)
                execute(journal.PRUNE)
            for status in changes.statuses:
                execute(
                    "INSERT INTO statuses (node, time, state, detail) VALUES (:node, :time, :state, :detail)",
                    {**status, "detail": json.dumps(status["detail"])},
                )
            if changes.statuses:
                execute(
                    "DELETE FROM statuses WHERE sent = 1 AND position <= (SELECT max(position) FROM statuses) - ?",
                    (KEPT_STATUSES,),
                )
            if changes.snapshots:
                many("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", changes.snapshots)
            if changes.quarantine:
                many(
                    "INSERT INTO quarantine (time, source, reason, content) VALUES (?, ?, ?, ?)",
                    [(q.time, q.source, q.reason, q.content) for q in changes.quarantine],
                )
                execute(
                    "DELETE FROM quarantine WHERE position <= (SELECT max(position) FROM quarantine) - ?", (KEPT_IN_QUARANTINE,)
                )

    def _insert(self, rows: list[SampleRow]) -> None:
        whole = len(rows) - len(rows) % ROWS_A_STATEMENT
        for at in range(0, whole, ROWS_A_STATEMENT):
            self._connection.execute(_INSERT_MANY, tuple(chain.from_iterable(rows[at : at + ROWS_A_STATEMENT])))
        if whole < len(rows):
            rest = rows[whole:]
            self._connection.execute(_INSERT + ", ".join([_ROW] * len(rest)), tuple(chain.from_iterable(rest)))

    def state(self, name: str) -> object:
        """Return what is kept of the gateway as a whole under a name, ``None`` where nothing is."""
        row = self._connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def last_moment(self) -> float | None:
        """Return the latest moment at which the gateway is known to have run, in UTC seconds."""
        last = self.state("last")
        return last if isinstance(last, int) else self.moment_of(self.next_position() - 1)

    def moment_of(self, position: int) -> int | None:
        """Return when the first sample from a position on arrived; ``None`` where there is none."""
        row = self._connection.execute(
            "SELECT arrived FROM samples WHERE position >= ? ORDER BY position LIMIT 1", (position,)
        ).fetchone()
        return None if row is None else int(row[0])

    def shift(self, position: int, seconds: int, began: int, alarm_states: Mapping[str, bytes]) -> None:
        """Repair the times of what was stored from `position` on, while the gateway's clock was wrong by so many seconds.

        A sample whose node keeps a clock of its own that was right keeps its time; one whose time was resolved at arrival, or whose node went
        by the gateway's clock, moves with the arrival. Order is kept.

        Parameters
        ----------
        position : first sample in doubt
        seconds : what to add
        began : UTC seconds from which on the clock was wrong
        alarm_states : the alarms' state, already moved
        """
        execute = self._connection.execute
        with writing(self._connection):
            # What is late makes a time old, never young: the youngest tells how far the node's clock is from ours.
            ahead = execute(
                "SELECT node, max(time - arrived) FROM samples WHERE position >= ? AND estimated = 0 GROUP BY node",
                (position,),
            ).fetchall()
            for node, found in ahead:
                if abs(found) < abs(found - seconds):
                    execute(
                        "UPDATE samples SET time = time + ? WHERE position >= ? AND estimated = 0 AND node = ? AND time >= ?",
                        (seconds, position, node, began),
                    )
            execute(
                "UPDATE samples SET arrived = arrived + :s, time = time + :s * (estimated = 1) WHERE position >= :p",
                {"s": seconds, "p": position},
            )
            execute("UPDATE ledger SET heard = heard + :s, latest = latest + :s WHERE heard >= :t", {"s": seconds, "t": began})
            for alarm in self._alarms("raised >= ? ORDER BY change", began):
                repaired = shifted(alarm, seconds, began)
                if repaired is not None:
                    self._write_alarm(repaired)
            execute("UPDATE alarm_journal SET time = time + :s WHERE time >= :t", {"s": seconds, "t": began})
            execute("UPDATE statuses SET time = time + :s WHERE time >= :t AND sent = 0", {"s": seconds, "t": began})
            if abs(seconds) > MODELS_STAND:
                execute("DELETE FROM snapshots WHERE position >= ?", (position,))
            self._connection.executemany("INSERT OR REPLACE INTO alarm_states VALUES (?, ?)", list(alarm_states.items()))
            self._connection.executemany("DELETE FROM state WHERE name = ?", [("last",), ("wrong",)])

    def next_position(self) -> int:
        """Return the first position that no sample has had."""
        (last,) = self._connection.execute(
            "SELECT max(ifnull((SELECT max(position) FROM samples), 0), ifnull((SELECT max(last) FROM outbox), 0))"
        ).fetchone()
        return int(last) + 1

    def ledger(self) -> dict[BootKey, Entry]:
        """Return all entries of the ledger."""
        rows = self._connection.execute("SELECT node, boot, floor, received, heard, latest FROM ledger")
        return {
            (node, boot): Entry(floor, Intervals(orjson.loads(received)), heard, latest)
            for node, boot, floor, received, heard, latest in rows
        }

    def alarm(self, name: str) -> AlarmRow | None:
        """Return an alarm by its id."""
        return next(self._alarms("id = ?", name), None)

    def _alarms(self, which: str, *values: object) -> Iterator[AlarmRow]:
        columns = tuple(AlarmRow.__annotations__)
        found = self._connection.execute(f"SELECT {', '.join(columns)} FROM alarms WHERE {which}", values).fetchall()  # noqa: S608
        for cells in found:
            row = dict(zip(columns, cells, strict=True))
            yield cast("AlarmRow", {**row, "numbers": orjson.loads(row["numbers"])})

    def _write_alarm(self, alarm: AlarmRow) -> None:
        self._connection.execute(
            "INSERT INTO alarms (id, revision, pond, node, kind, quantity, state, raised, cleared, acknowledged, numbers, change)"
            " VALUES (:id, :revision, :pond, :node, :kind, :quantity, :state, :raised, :cleared, :acknowledged, :numbers,"
            " (SELECT ifnull(max(change), 0) + 1 FROM alarms))"
            " ON CONFLICT DO UPDATE SET change = excluded.change, revision = excluded.revision, state = excluded.state,"
            " kind = excluded.kind, raised = excluded.raised, cleared = excluded.cleared, acknowledged = excluded.acknowledged,"
            " numbers = excluded.numbers",
            {**alarm, "numbers": json.dumps(alarm["numbers"])},
        )

    def alarm_states(self) -> dict[str, bytes]:
        """Return the state of the alarms, by node."""
        return dict(self._connection.execute("SELECT node, state FROM alarm_states"))

    def snapshots(self) -> list[StageState]:
        """Return the last snapshot of every stage and node."""
        return list(self._connection.execute("SELECT node, stage, position, state FROM snapshots"))

    def latest_statuses(self) -> dict[str, StatusRow]:
        """Return the last status of every node."""
        rows = self._connection.execute("SELECT max(position), node, time, state, detail FROM statuses GROUP BY node")
        return {
            node: {"node": node, "time": time, "state": state, "detail": json.loads(detail)}
            for _, node, time, state, detail in rows
        }

    def samples_after(self, position: int) -> Iterator[tuple[int, Sample, int]]:
        """Return ``(position, sample, arrived)`` of the samples after a position, in order."""
        columns = f"position, arrived, node, boot, seq, time, estimated, {', '.join(QUANTITY_NAMES)}"
        for row in self._connection.execute(f"SELECT {columns} FROM samples WHERE position > ? ORDER BY position", (position,)):  # noqa: S608
            at, arrived, node, boot, seq, time, estimated, *values = row
            present = {name: value for name, value in zip(QUANTITY_NAMES, values, strict=True) if value is not None}
            yield at, Sample(node, boot, seq, time, present, estimated=bool(estimated)), arrived
