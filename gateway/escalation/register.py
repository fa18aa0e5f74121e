"""What of each alarm's ladder is due, sent, failed or called off, in the gateway's database: a restart goes on where it ended.

A delivery is written down before it is tried and marked after it was taken: a process killed between the two sends it once more (at least once),
never not at all. What is marked is not sent again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from gateway.escalation.ladder import LAN, SIREN, Escalation, Ladder
from gateway.store.schema import connect
from gateway.store.writing import writing
from vuong.alarms import ALARM_KINDS, Priority

FIRST_PAUSE: Final = 30
LONGEST_PAUSE: Final = 900
MOST_ATTEMPTS: Final = 12  # about two hours
SENT: Final = "sent"
_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Open:
    """An alarm that nobody has acknowledged."""

    id: str
    pond: str
    kind: str
    quantity: str | None
    raised: int
    numbers: dict[str, float | int | str]
    annunciated: int
    called: int

    @property
    def priority(self) -> Priority:
        """Return how urgent it is."""
        return ALARM_KINDS[self.kind].priority


class Delivery(NamedTuple):
    """One message to one person by one way."""

    alarm: str
    annunciated: int
    step: int
    contact: str
    via: str
    attempts: int


@dataclass(slots=True)
class Due:
    """What is to be done now: deliveries, and whether the siren sounds."""

    deliveries: list[tuple[Open, Delivery]]
    siren: bool


class Register:
    """The escalation's own connection to the database."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def open_alarms(self) -> list[Open]:
        """Return the alarms that call and are not acknowledged, the most urgent first."""
        rows = self._connection.execute(
            "SELECT id, pond, kind, quantity, raised, numbers FROM alarms WHERE state = 'unacknowledged'",
        ).fetchall()
        found = []
        for name, pond, kind, quantity, raised, text in rows:
            if kind not in ALARM_KINDS:
                continue  # of a later version
            numbers = json.loads(text)
            found.append(
                Open(
                    name,
                    pond,
                    kind,
                    quantity,
                    raised,
                    numbers,
                    int(numbers.get("annunciated", 1)),
                    int(numbers.get("called", raised)),
                )
            )
        return sorted(found, key=lambda a: (a.priority, a.called))

    def plan(self, escalation: Escalation, now: int, siren: str = SENT) -> Due:
        """Write down what has become due, call off what was answered, and return what is to be done.

        Parameters
        ----------
        escalation : ladders and contacts
        now : UTC seconds
        siren : outcome to note for a step that sounds the siren: `SENT`, or why it cannot sound

        Raises
        ------
        sqlite3.Error
            if the database cannot be written now; nothing is lost by asking again
        """
        with self._lock:
            execute = self._connection.execute
            if not self.open_alarms() and execute("SELECT 1 FROM deliveries WHERE state = 'waiting' LIMIT 1").fetchone() is None:
                return Due([], siren=False)  # most looks end here, and take no lock from the ingest
            with writing(self._connection):
                return self._plan(escalation, now, siren)

    def _plan(self, escalation: Escalation, now: int, outcome: str) -> Due:
        alarms = self.open_alarms()
        siren = False
        for alarm in alarms:
            ladder = escalation.of(alarm.pond)
            if ladder is not None:
                siren |= self._climb(escalation, ladder, alarm, now, outcome)
        execute = self._connection.execute
        standing = json.dumps([f"{a.id}/{a.annunciated}" for a in alarms])
        execute(
            "UPDATE deliveries SET state = 'cancelled' WHERE state = 'waiting'"
            " AND alarm || '/' || annunciated NOT IN (SELECT value FROM json_each(?))",
            (standing,),
        )
        by_key = {(a.id, a.annunciated): a for a in alarms}
        rows = execute(
            "SELECT alarm, annunciated, step, contact, via, attempts FROM deliveries WHERE state = 'waiting' AND next <= ?"
            " ORDER BY due, step, contact, via",
            (now,),
        ).fetchall()
        deliveries = [(by_key[row[0], row[1]], Delivery(*row)) for row in rows]
        # An alarm may have become milder, or quiet hours have begun, since a message was written down.
        return Due([(a, d) for a, d in deliveries if not _quiet(escalation, a, now)], siren)

    def _climb(self, escalation: Escalation, ladder: Ladder, alarm: Open, now: int, outcome: str) -> bool:
        """Write down the steps that are due; return whether one of them sounds the siren now."""
        execute = self._connection.execute
        key = (alarm.id, alarm.annunciated)
        execute("INSERT OR IGNORE INTO escalations VALUES (?, ?, ?)", (*key, min(alarm.called, now)))
        (began,) = execute("SELECT began FROM escalations WHERE alarm = ? AND annunciated = ?", key).fetchone()
        if began > now:  # the clock went back: what is due must not wait for it
            began = now
            execute("UPDATE escalations SET began = ? WHERE alarm = ? AND annunciated = ?", (began, *key))
        sounds = False
        for number, step in enumerate(ladder.steps):
            due = began + step.after
            if due > now or alarm.priority > step.least or (ladder.quiet and ladder.quiet.holds(now, alarm.priority)):
                continue
            if step.siren and escalation.siren is not None:
                self._once(alarm, number, SIREN, due, now, outcome)
                (begun,) = execute(
                    "SELECT next FROM deliveries WHERE alarm = ? AND annunciated = ? AND step = ? AND contact = '' AND via = ?",
                    (*key, number, SIREN),
                ).fetchone()
                sounds |= now - begun < escalation.siren.longest
            if step.lan:
                self._once(alarm, number, LAN, due, now, SENT)
            for contact in (c for name in step.contacts if (c := escalation.contact(name))):
                for via in contact.via:
                    if not step.via or via.name in step.via:
                        execute(
                            "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0, ?)",
                            (*key, number, contact.id, via.name, due, now),
                        )
        return sounds

    def _once(self, alarm: Open, step: int, via: str, due: int, now: int, outcome: str) -> None:
        """Note a step that this very transaction takes: the siren, which `plan` returns, and the app on the LAN, which reads this table."""
        made = self._connection.execute(
            "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, '', ?, ?, 'sent', 1, ?)",
            (alarm.id, alarm.annunciated, step, via, due, now),
        )
        if made.rowcount:
            self._note([Delivery(alarm.id, alarm.annunciated, step, "", via, 0)], outcome, now)

    def done(self, deliveries: Iterable[Delivery], outcome: str, now: int) -> None:
        """Note one attempt: `SENT`, or why not; then it comes again after a pause that grows, until it is given up."""
        with self._lock:
            execute = self._connection.execute
            with writing(self._connection):
                deliveries = list(deliveries)
                for delivery in deliveries:
                    attempts = delivery.attempts + 1
                    given_up = attempts >= MOST_ATTEMPTS
                    state = "sent" if outcome == SENT else "failed" if given_up else "waiting"
                    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(delivery.attempts, 10))
                    # What was answered meanwhile stays called off; what went out all the same is said to have gone out.
                    execute(
                        "UPDATE deliveries SET state = CASE WHEN state = 'cancelled' AND ? <> 'sent' THEN state ELSE ? END,"
                        " attempts = ?, next = ? WHERE alarm = ? AND annunciated = ? AND step = ? AND contact = ? AND via = ?",
                        (state, state, attempts, now + pause, *delivery[:5]),
                    )
                self._note(deliveries, outcome, now)

    def _note(self, deliveries: Iterable[Delivery], outcome: str, now: int) -> None:
        execute = self._connection.execute
        for d in deliveries:
            execute(
                "INSERT INTO delivery_attempts (time, alarm, step, contact, via, outcome) VALUES (?, ?, ?, ?, ?, ?)",
                (now, d.alarm, d.step, d.contact, d.via, outcome[:300]),
            )
        execute("DELETE FROM delivery_attempts WHERE position <= (SELECT max(position) FROM delivery_attempts) - ?", (_KEPT,))

    def attempts(self, alarm: str | None = None) -> list[tuple[int, str, int, str, str, str]]:
        """Return ``(time, alarm, step, contact, via, outcome)`` of every attempt, in order."""
        with self._lock:
            return self._connection.execute(
                "SELECT time, alarm, step, contact, via, outcome FROM delivery_attempts WHERE ?1 IS NULL OR alarm = ?1 ORDER BY position",
                (alarm,),
            ).fetchall()


def _quiet(escalation: Escalation, alarm: Open, now: int) -> bool:
    ladder = escalation.of(alarm.pond)
    return ladder is not None and ladder.quiet is not None and ladder.quiet.holds(now, alarm.priority)
