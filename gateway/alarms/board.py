"""The alarms that stand, and how one moves: raised, revised, put aside, acknowledged, ended; and what of it goes to the disk."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from gateway.alarms import told
from gateway.alarms.delay import Delay
from gateway.alarms.journal import JournalRow
from gateway.alarms.rules import Condition
from gateway.alarms.standing import Standing
from gateway.alarms.states import Event, acknowledged, step
from gateway.observation import Numbers, Pond
from vuong.acknowledgement import Acknowledgement
from vuong.alarms import ALARM_KINDS, AlarmKind, Category, State
from vuong.contract.api import aside_fault
from vuong.contract.batch import AlarmRow
from vuong.contract.entry import Entry, EntryKind

GATEWAY: Final = ""  # stands for the gateway itself where a node is expected
_IDS: Final = uuid.UUID("5e1c9b52-6d3e-4d0b-9a8e-1f0b6c1f7a11")

# An alarm that returned unacknowledged and comes again within so many seconds is the same alarm (ISA-18.2: D → B), not another one.
REOPEN: Final = 3600
# The numbers of a standing alarm get a revision at most so often.
UPDATE: Final = 300

Conditions = Iterable[tuple[AlarmKind, Condition]]
Tell = Callable[[AlarmKind], Numbers]


class Board:
    """The standing alarms of a gateway's nodes, and of the gateway itself.

    Parameters
    ----------
    gateway : id of the gateway; part of the alarms' identity
    nodes : node id → pond
    """

    def __init__(self, gateway: str, nodes: Mapping[str, Pond]) -> None:
        self._gateway = gateway
        self._nodes = nodes
        self._running: dict[str, dict[str, Standing]] = {node: {} for node in (GATEWAY, *nodes)}
        self._latest: dict[str, int] = {}
        self._maintenance: dict[str, int] = {}
        self._changed: dict[str, AlarmRow] = {}
        self._journal: list[JournalRow] = []
        self._dirty: set[str] = set()

    # what people do

    def find(self, alarm: str) -> AlarmRow | None:
        """Return an alarm that stands or has just returned."""
        found = self._find(alarm)
        return found[2].row if found else None

    def acknowledge(self, stored: AlarmRow, said: Acknowledgement, now: int) -> AlarmRow | None:
        """Take an acknowledgement in, from gateway, app or cloud, any number of times, in any order: the earliest wins.

        Parameters
        ----------
        stored : the alarm as the database has it; one that stands is taken from memory
        said : who, when, where, and the revision that was seen
        now : UTC seconds; an acknowledgement from the future counts as made now

        Returns
        -------
        the alarm's new revision; ``None`` where nothing changed
        """
        found = self._find(stored["id"])
        row = found[2].row if found else stored
        if row is None:
            return None
        following = acknowledged(row, said._replace(at=min(said.at, now)))
        if following is None:
            return None
        if found:
            node, key, standing = found
            standing.row, standing.updated = following, now
            self._dirty.add(node)
            if following["state"] == State.NORMAL:
                self._forget(node, key)
        self._note(following, Event.ACKNOWLEDGE, now, said.by)
        return following

    def carry_out(self, entry: Entry, now: int) -> AlarmRow | None:
        """Shelve an alarm, take it back, or reset it, as somebody said at the gateway or in the cloud; any number of times.

        What does not fit the alarm's state, or was said before it last called, changes nothing (`vuong.contract.api.counts`): then the
        repeat of a shelving that is over puts nothing aside again. A shelved alarm calls again when its time is over or it grows worse.

        Parameters
        ----------
        entry : a shelving, unshelving or reset
        now : UTC seconds

        Returns
        -------
        the alarm's new revision; ``None`` where nothing changed
        """
        content, by = entry["content"], entry["by"]
        found = self._find(content["alarm"])
        if found is None or found[2].row is None:
            return None
        node, key, standing = found
        row = found[2].row
        if aside_fault(entry, row["kind"], row["state"], row["numbers"]) is not None:
            return None
        if entry["kind"] == EntryKind.SHELVING:
            until, reason = min(entry["at"], now) + 60 * int(content["minutes"]), str(content["reason"])
            if until <= now:
                return None
            told: Numbers = {
                "shelved_until": until,
                "shelved_by": by,
                "shelved_reason": reason,
                "shelved_at": entry["at"],
                "shelved_revision": row["revision"] + 1,
            }
            self._step(node, standing, Event.SHELVE, now, f"{by}: {reason}", told)
            standing.until = until
        elif entry["kind"] == EntryKind.UNSHELVING:
            self._release(node, key, now, by)
        else:
            self._step(node, standing, Event.RESET, now, by)
            if standing.state is State.NORMAL:
                self._forget(node, key)
        return standing.row

    # how it moves

    def _move(
        self, node: str, key: str, quantity: str | None, conditions: Conditions, time: int, tell: Tell, delay: int = 0
    ) -> None:
        """Take the conditions of one group, the worst first, and settle what alarm stands."""
        running = self._running[node]
        standing = running.get(key)
        worst: AlarmKind | None = None
        beyond = False
        for kind, condition in conditions:
            held = standing.delays.get(kind.name) if standing is not None else None
            if held is None:
                if condition is not Condition.BEYOND:
                    continue
                if standing is None:
                    standing = running[key] = Standing(quantity)
                held = standing.delays[kind.name] = Delay(time)
            assert standing is not None  # noqa: S101 - a delay is in a standing
            if not held.take(condition, time, max(kind.on_delay, delay), kind.off_delay):
                del standing.delays[kind.name]
            elif held.holds and worst is None:
                worst, beyond = kind, condition is Condition.BEYOND
        if standing is None:
            return
        self._dirty.add(node)
        if worst is None:
            self._clear(node, key, standing, time)
        else:
            self._hold(node, key, standing, worst, time, tell, news=beyond)

    def _clear(self, node: str, key: str, standing: Standing, time: int) -> None:
        """No condition is confirmed: end the alarm that stands."""
        row = standing.row
        if row is not None and standing.state in {State.UNACKNOWLEDGED, State.ACKNOWLEDGED}:
            self._step(node, standing, Event.LATCH if ALARM_KINDS[row["kind"]].latching else Event.CLEAR, time)
        if standing.state is State.NORMAL and not standing.delays:
            self._forget(node, key)
        elif standing.state is State.NORMAL:
            standing.row = None

    def _hold(self, node: str, key: str, standing: Standing, worst: AlarmKind, time: int, tell: Tell, *, news: bool) -> None:
        """`worst` is confirmed: raise its alarm, or change the one that stands; its numbers only where the condition holds right now."""
        row, since = standing.row, standing.delays[worst.name].since
        over = row is None or (standing.state is State.RETURNED and time - (row["cleared"] or time) > REOPEN)
        if row is None or over:
            self._raise(node, key, standing, worst, time, {**tell(worst), "since": since})
            return
        if standing.state in {State.RETURNED, State.LATCHED, State.LATCHED_ACKNOWLEDGED}:
            times = int(row["numbers"].get("times", 1)) + 1
            standing.row = told.without_course(row)
            self._step(node, standing, Event.RAISE, time, "", {**tell(worst), "times": times}, worst.name)
            return
        before = ALARM_KINDS[row["kind"]]
        if worst is not before:
            event = Event.WORSEN if worst.priority < before.priority else Event.EASE
            if event is Event.WORSEN and standing.until is not None:
                standing.until = None
            standing.row = told.without_course(row)
            self._step(node, standing, event, time, "", tell(worst), worst.name)
        elif news and time - standing.updated >= UPDATE and worst.category is not Category.SYSTEM:
            numbers = tell(worst)
            if told.news(row["numbers"], numbers, worst.deadband):
                self._revise(node, standing, {**told.without_course(row)["numbers"], **numbers}, time)

    def _raise(self, node: str, key: str, standing: Standing, kind: AlarmKind, time: int, numbers: Numbers) -> None:
        pond = self._nodes[node].id if node else next(iter(self._nodes.values())).id
        # The same alarm must get the same id when the gateway takes a sample again after a crash.
        row: AlarmRow = {
            "id": str(uuid.uuid5(_IDS, f"{self._gateway}/{node}/{key}/{time}")),
            "revision": 1,
            "pond": pond,
            "node": node or None,
            "kind": kind.name,
            "quantity": standing.quantity,
            "state": State.UNACKNOWLEDGED.value,
            "raised": time,
            "cleared": None,
            "acknowledged": None,
            "numbers": {**numbers, "annunciated": 1, "called": time},
        }
        standing.row, standing.updated, standing.until, standing.by = row, time, None, None
        self._note(row, Event.RAISE, time)

    def _step(
        self,
        node: str,
        standing: Standing,
        event: Event,
        time: int,
        by: str = "",
        told: Numbers | None = None,
        kind: str | None = None,
    ) -> bool:
        row = step(standing.row, event, time, told, kind) if standing.row is not None else None
        if row is None:
            return False
        standing.row, standing.updated = row, time
        self._dirty.add(node)
        self._note(row, event, time, by)
        return True

    def _revise(self, node: str, standing: Standing, numbers: Numbers, time: int) -> None:
        row = standing.row
        if row is not None and numbers != row["numbers"]:
            standing.row, standing.updated = {**row, "revision": row["revision"] + 1, "numbers": numbers}, time
            self._changed[row["id"]] = standing.row
            self._dirty.add(node)

    def _suppress(self, node: str, key: str, by: str, time: int) -> None:
        standing = self._running[node].get(key)
        if standing is not None and standing.by is None:
            if not self._step(node, standing, Event.SUPPRESS, time, by, {"suppressed_by": by}):
                return
            standing.by, standing.until = by, None

    def _release(self, node: str, key: str, time: int, by: str = "") -> None:
        """End shelving or suppression: the alarm calls again where its condition holds."""
        standing = self._running[node][key]
        standing.by = standing.until = None
        holds = any(delay.holds for delay in standing.delays.values())
        self._step(node, standing, Event.RELEASE if holds else Event.RELEASE_CLEAR, time, by)
        if standing.state is State.NORMAL:
            self._forget(node, key)

    def _forget(self, node: str, key: str) -> None:
        self._running[node].pop(key, None)
        self._dirty.add(node)

    def _note(self, row: AlarmRow, event: Event, time: int, by: str = "") -> None:
        self._changed[row["id"]] = row
        self._journal.append(JournalRow(time, row["id"], row["pond"], row["node"], row["kind"], event.value, row["revision"], by))

    def _find(self, alarm: str) -> tuple[str, str, Standing] | None:
        for node, running in self._running.items():
            for key, standing in running.items():
                if standing.row is not None and standing.row["id"] == alarm:
                    return node, key, standing
        return None

    # what goes out, and what comes back after a restart

    def drain(self) -> tuple[list[AlarmRow], dict[str, bytes]]:
        """Return the alarms that changed and the state of the nodes that changed since the last call, to be stored together."""
        rows, states = list(self._changed.values()), {node: self._state(node) for node in self._dirty}
        self._changed, self._dirty = {}, set()
        return rows, states

    def drain_journal(self) -> list[JournalRow]:
        """Return what happened to alarms since the last call, to be stored with them."""
        journal, self._journal = self._journal, []
        return journal

    def _state(self, node: str) -> bytes:
        return json.dumps({key: asdict(standing) for key, standing in self._running[node].items()}).encode()

    def restore(self, node: str, state: bytes, latest: int) -> None:
        """Take back the state of a node (or of `GATEWAY`) and the time of its newest sample."""
        if node:
            self._latest[node] = latest
        if state:
            self._running[node] = {key: Standing.of(standing) for key, standing in json.loads(state).items()}

    def shift(self, seconds: int, began: int) -> None:
        """Move all that is remembered in time: the gateway's clock was wrong by so much, and no alarm may come or go by its correction.

        Parameters
        ----------
        seconds : what to add
        began : UTC seconds from which on it was wrong; what was raised before keeps its time
        """
        for times in (self._latest, self._maintenance):
            for node in times:
                times[node] += seconds
        for node, running in self._running.items():
            for standing in running.values():
                standing.shift(seconds, began)
                self._dirty.add(node)

    def active(self, node: str) -> list[AlarmRow]:
        """Return the alarms of a node (or of `GATEWAY`) that stand, shelved and suppressed ones among them."""
        return list(self._active(node))

    def _active(self, node: str) -> Iterator[AlarmRow]:
        for standing in self._running[node].values():
            if standing.row is not None and standing.active:
                yield standing.row
