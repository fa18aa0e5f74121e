"""What happened to alarms, in order: the history of each, and what statistics of nuisance are counted from."""

from __future__ import annotations

from typing import Final, NamedTuple

TABLES: Final = """
CREATE TABLE IF NOT EXISTS alarm_journal (
    position INTEGER PRIMARY KEY, time INTEGER NOT NULL, alarm TEXT NOT NULL, pond TEXT NOT NULL, node TEXT, kind TEXT NOT NULL,
    event TEXT NOT NULL, revision INTEGER NOT NULL, "by" TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS alarm_journal_alarm ON alarm_journal (alarm);
CREATE INDEX IF NOT EXISTS alarm_journal_time ON alarm_journal (time);
"""
INSERT: Final = 'INSERT INTO alarm_journal (time, alarm, pond, node, kind, event, revision, "by") VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
# So many rows are kept; a gateway with 100 ponds and ten events a pond and day fills them in three years.
KEPT: Final = 1_000_000
PRUNE: Final = f"DELETE FROM alarm_journal WHERE position <= (SELECT max(position) FROM alarm_journal) - {KEPT}"  # noqa: S608


class JournalRow(NamedTuple):
    """One event of an alarm, as `gateway.alarms.states.Event` names it; `by` is a person, or what suppressed it."""

    time: int
    alarm: str
    pond: str
    node: str | None
    kind: str
    event: str
    revision: int
    by: str
