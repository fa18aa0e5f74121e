"""What the ingest writes, one transaction for many messages, and what it needs again after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.intervals import Intervals
from gateway.ledger import BootKey, Entry
from gateway.observation import Observation
from gateway.pipeline import StageState
from gateway.store.schema import QUANTITY_NAMES, connect
from vuong.contract.batch import AlarmRow, StatusRow
from vuong.flags import Flag
from vuong.readings import Sample

KEPT_IN_QUARANTINE: Final = 1000
_BAD: Final = (Flag.SUSPECT, Flag.FAIL)
_COLUMNS: Final = ["position", "node", "boot", "seq", "time", "arrived", "estimated", "reasons"]
_COLUMNS.extend(column for name in QUANTITY_NAMES for column in (name, f"{name}_flag"))
# Column names come from our own table of quantities, here and below.
_INSERT: Final = f"INSERT INTO samples ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608

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
    ledger: dict[BootKey, Entry] = field(default_factory=dict)
    alarms: list[AlarmRow] = field(default_factory=list)
    alarm_states: dict[str, bytes] = field(default_factory=dict)
    statuses: list[StatusRow] = field(default_factory=list)
    snapshots: list[StageState] = field(default_factory=list)
    quarantine: list[Quarantined] = field(default_factory=list)


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
        row[7] = json.dumps(reasons)
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
        self._connection = connect(path)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def commit(self, changes: Changes) -> None:
        """Write all changes; when this returns they survive a power cut.

        Raises
        ------
        sqlite3.Error
            if they could not be written; none of them is then
        """
        execute, many = self._connection.execute, self._connection.executemany
        execute("BEGIN IMMEDIATE")
        try:
            if changes.samples:
                many(_INSERT, changes.samples)
            if changes.ledger:
                many(
                    "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " floor = excluded.floor, received = excluded.received, heard = excluded.heard, latest = excluded.latest",
                    [(*key, e.floor, json.dumps(list(e.received)), e.heard, e.latest) for key, e in changes.ledger.items()],
                )
            for alarm in changes.alarms:
                execute(
                    "INSERT INTO alarms (id, revision, pond, node, kind, quantity, state, raised, cleared, acknowledged, numbers, change)"
                    " VALUES (:id, :revision, :pond, :node, :kind, :quantity, :state, :raised, :cleared, :acknowledged, :numbers,"
                    " (SELECT ifnull(max(change), 0) + 1 FROM alarms))"
                    " ON CONFLICT DO UPDATE SET change = excluded.change, revision = excluded.revision, state = excluded.state,"
                    " cleared = excluded.cleared, acknowledged = excluded.acknowledged, numbers = excluded.numbers",
                    {**alarm, "numbers": json.dumps(alarm["numbers"])},
                )
            if changes.alarm_states:
                many("INSERT OR REPLACE INTO alarm_states VALUES (?, ?)", list(changes.alarm_states.items()))
            for status in changes.statuses:
                execute(
                    "INSERT INTO statuses (node, time, state, detail) VALUES (:node, :time, :state, :detail)",
                    {**status, "detail": json.dumps(status["detail"])},
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
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

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
            (node, boot): Entry(floor, Intervals(json.loads(received)), heard, latest)
            for node, boot, floor, received, heard, latest in rows
        }

    def alarm_states(self) -> dict[str, bytes]:
        """Return the state of the alarms, by node."""
        return dict(self._connection.execute("SELECT node, state FROM alarm_states"))

    def snapshots(self) -> list[StageState]:
        """Return the last snapshot of every stage and node."""
        return list(self._connection.execute("SELECT node, stage, position, state FROM snapshots"))

    def latest_statuses(self) -> dict[str, StatusRow]:
        """Return the last status of every node."""
        rows = self._connection.execute("SELECT node, time, state, detail FROM statuses ORDER BY position")
        return {
            node: {"node": node, "time": time, "state": state, "detail": json.loads(detail)} for node, time, state, detail in rows
        }

    def samples_after(self, position: int) -> Iterator[tuple[int, Sample, int]]:
        """Return ``(position, sample, arrived)`` of the samples after a position, in order."""
        columns = f"position, arrived, node, boot, seq, time, estimated, {', '.join(QUANTITY_NAMES)}"
        for row in self._connection.execute(f"SELECT {columns} FROM samples WHERE position > ? ORDER BY position", (position,)):  # noqa: S608
            at, arrived, node, boot, seq, time, estimated, *values = row
            present = {name: value for name, value in zip(QUANTITY_NAMES, values, strict=True) if value is not None}
            yield at, Sample(node, boot, seq, time, present, estimated=bool(estimated)), arrived
