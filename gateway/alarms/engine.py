"""The state of every alarm of a gateway, moved on by observations, by the clock and by people."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Final

from gateway.alarms import told
from gateway.alarms.delay import Delay
from gateway.alarms.journal import JournalRow
from gateway.alarms.rules import TOLD, Condition, Rules, Threshold, rules_of
from gateway.alarms.standing import Standing
from gateway.alarms.states import Event, acknowledged, step
from gateway.observation import Assessment, Numbers, Observation, Pond
from vuong.acknowledgement import Acknowledgement
from vuong.alarms import ALARM_KINDS, AlarmKind, Category, State
from vuong.contract.batch import AlarmRow
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

GATEWAY: Final = ""  # stands for the gateway itself where a node is expected
_IDS: Final = uuid.UUID("5e1c9b52-6d3e-4d0b-9a8e-1f0b6c1f7a11")
_OXYGEN: Final = "oxygen"
_PROBE, _PROBES = ALARM_KINDS["probe_fault"], ALARM_KINDS["probes_fault"]
_PROBE_KEYS: Final = {quantity: f"{_PROBE.group}/{quantity}" for quantity in QUANTITIES}
_NODE, _NODES = ALARM_KINDS["node_offline"], ALARM_KINDS["nodes_offline"]

# An alarm that returned unacknowledged and comes again within so many seconds is the same alarm (ISA-18.2: D → B), not another one.
REOPEN: Final = 3600
# The numbers of a standing alarm get a revision at most so often.
UPDATE: Final = 300
# Oxygen that failed a test but lies below a limit raises its alarm all the same, unsure, once it has held for this long: a spike does not.
UNSURE_DELAY: Final = 300
# A galvanic probe in water without oxygen may show a little less than nothing.
_BELOW_NOTHING: Final = -0.5
MANY: Final = 3  # probes of a node, or nodes, that fail at once: one cause
# Somebody who cleans probes is done by then; a wrong guess that they are out of the water hides no oxygen alarm for longer.
LONGEST_MAINTENANCE: Final = 2 * 3600
LONGEST_SHELF: Final = 24 * 3600
MAINTENANCE: Final = "maintenance"

_UNJUDGED: Final = Assessment()
Conditions = Iterable[tuple[AlarmKind, Condition]]
Tell = Callable[[AlarmKind], Numbers]


class AlarmEngine:
    """Moves alarms between their states and hands out the rows that changed.

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

    # what comes in

    def update(self, observation: Observation) -> None:
        """Take an observation whose stages are done.

        A sample older than one already taken (backlog beside live traffic) moves no alarm: its moment is over. A time ahead of arrival is a
        wrong clock and counts as arrival.
        """
        sample = observation.sample
        node, time = sample.node, min(sample.time, observation.arrived)
        if time < self._latest.get(node, 0):
            return
        self._latest[node] = time
        running = self._running[node]
        if (observation.maintenance or node in self._maintenance) and self._in_maintenance(node, observation.maintenance, time):
            return
        assessments = observation.assessments
        failed = sum(1 for a in assessments.values() if a.flag is Flag.FAIL)
        if failed or running:
            self._probes(node, observation, failed, time)
        pond = observation.pond
        rules = rules_of(pond.limits)
        for quantity, value in sample.values.items():
            found = rules.quantities.get(quantity)
            if found is None or (found.low <= value <= found.high and (not running or running.keys().isdisjoint(found.groups))):
                continue
            self._thresholds(node, found, value, assessments.get(quantity, _UNJUDGED), observation, time)
        for name, number in observation.derived.items():
            found = rules.derived.get(name)
            if found is None or (found.low <= float(number) <= found.high and running.keys().isdisjoint(found.groups)):
                continue
            self._thresholds(node, found, float(number), None, observation, time)

    def _in_maintenance(self, node: str, maintenance: bool, time: int) -> bool:
        """Suppress or release the water and probe alarms of a node; return whether its readings say nothing."""
        running = self._running[node]
        if not maintenance:
            del self._maintenance[node]
        elif time - self._maintenance.setdefault(node, time) <= LONGEST_MAINTENANCE:
            for key, standing in list(running.items()):
                if standing.row is not None and ALARM_KINDS[standing.row["kind"]].category is not Category.SYSTEM:
                    self._suppress(node, key, MAINTENANCE, time)
            return True
        for key, standing in list(running.items()):
            if standing.by == MAINTENANCE:
                self._release(node, key, time)
        return False

    def _probes(self, node: str, observation: Observation, failed: int, time: int) -> None:
        """Move the alarms of a node's probes: many that fail in one sample have one cause."""
        running = self._running[node]
        many = failed >= MANY
        if many or _PROBES.group in running:
            condition = Condition.BEYOND if many else Condition.INSIDE
            self._move(node, _PROBES.group, None, [(_PROBES, condition)], time, lambda _: {"count": failed})
            above = running.get(_PROBES.group)
            for quantity in observation.sample.values:
                key = _PROBE_KEYS[quantity]
                if above is not None and above.active:
                    self._suppress(node, key, _PROBES.name, time)
                elif key in running and running[key].by == _PROBES.name:
                    self._release(node, key, time)
        common = _PROBES.group in running
        for quantity, value in observation.sample.values.items():
            key, assessment = _PROBE_KEYS[quantity], observation.assessments.get(quantity, _UNJUDGED)
            flag = assessment.flag
            if common and (flag is Flag.FAIL or key not in running):
                continue  # the common cause's alarm speaks for it
            if flag is not Flag.FAIL and key not in running:
                continue
            condition = Condition.BEYOND if flag is Flag.FAIL else Condition.BETWEEN if flag is Flag.SUSPECT else Condition.INSIDE
            self._move(node, key, quantity, [(_PROBE, condition)], time, _why(value, assessment))

    def _thresholds(
        self, node: str, rules: Rules, value: float, assessment: Assessment | None, observation: Observation, time: int
    ) -> None:
        """Move the threshold alarms of one watched number."""
        running, derived, pond = self._running[node], observation.derived, observation.pond
        failed = assessment is not None and assessment.flag is Flag.FAIL
        fault = running.get(_PROBE_KEYS.get(rules.quantity or "", ""))
        doubt = fault is not None and fault.active
        for group, thresholds in rules.groups.items():
            conditions = [(t.kind, t.condition(value)) for t in thresholds]
            delay = 0
            if failed:
                # A reading that failed says nothing of most of the water. Oxygen is the exception: no test may hide a true fall of it from the
                # farmer, so it raises, unsure and after a delay, and only a good reading clears.
                believed = group == _OXYGEN and value >= _BELOW_NOTHING and _PROBES.group not in running
                delay = UNSURE_DELAY
                conditions = [(kind, c if believed and c is Condition.BEYOND else Condition.UNKNOWN) for kind, c in conditions]

            def tell(kind: AlarmKind, thresholds: tuple[Threshold, ...] = thresholds, group: str = group) -> Numbers:
                place = next(i for i, t in enumerate(thresholds) if t.kind is kind)
                threshold = thresholds[place]
                shown = observation.sample.values.get(rules.quantity, value) if rules.quantity else value
                numbers: Numbers = {"value": shown, "limit": threshold.limit, "confidence": told.confidence(assessment, doubt)}
                for name, source in TOLD.get(threshold.kind.derived or "", ()):
                    if source in derived:
                        number = derived[source]
                        numbers[name] = round(number, 3) if isinstance(number, float) else number
                if group == _OXYGEN:
                    numbers |= told.course(threshold, thresholds[:place], value, time, derived, pond)
                return numbers

            self._move(node, group, rules.quantity, conditions, time, tell, delay)

    def tick(self, now: int, heard: Mapping[str, int], offline_after: int) -> None:
        """Move what the clock moves: the off-line alarms, the end of shelving, the end of what returned.

        Many nodes that fall silent together are one alarm of the gateway: broker, Wi-Fi, power.

        Parameters
        ----------
        now : UTC seconds
        heard : node → UTC seconds of its last message (or of the gateway's start)
        offline_after : seconds of silence after which a node is off-line
        """
        silence = {node: now - heard[node] for node in self._nodes}
        over = sum(1 for s in silence.values() if s > offline_after)
        overdue = sum(1 for s in silence.values() if s > offline_after / 2)
        total = len(silence)
        many = over >= MANY and 2 * over >= total
        if many or _NODES.group in self._running[GATEWAY]:
            condition = Condition.BEYOND if many else Condition.INSIDE
            self._move(GATEWAY, _NODES.group, None, [(_NODES, condition)], now, lambda _: {"count": over, "total": total})
        above = self._running[GATEWAY].get(_NODES.group)
        common = above is not None and above.active
        # Nodes speak in turns: while many are overdue, wait a little to see whether all have gone.
        waiting = overdue >= MANY and 2 * overdue >= total
        for node, silent in silence.items():
            standing, off = self._running[node].get(_NODE.group), silent > offline_after
            if common:
                self._suppress(node, _NODE.group, _NODES.name, now)
            elif standing is not None and standing.by == _NODES.name:
                self._release(node, _NODE.group, now)
            if off and (standing is None or not standing.active) and (common or (waiting and silent <= 1.5 * offline_after)):
                continue
            if off or standing is not None:
                last = heard[node]
                numbers: Numbers = {"heard": last, "minutes": silent // 60}
                condition = Condition.BEYOND if off else Condition.INSIDE
                self._move(node, _NODE.group, None, [(_NODE, condition)], now, lambda _, numbers=numbers: numbers)  # type: ignore[misc]
        for node, running in self._running.items():
            for key, standing in list(running.items()):
                if standing.until is not None and standing.until <= now:
                    self._release(node, key, now)
                elif standing.state is State.RETURNED and not standing.delays and now - standing.updated > REOPEN:
                    self._forget(node, key)

    def system(
        self, kind: AlarmKind, condition: Condition, now: int, numbers: Numbers, part: str = "", node: str = GATEWAY
    ) -> None:
        """Move an alarm of the gateway itself or of a machine: its disk, its clock, its database, an aerator.

        A raised alarm whose numbers have changed gets a revision: what it counts goes to the cloud with it.

        Parameters
        ----------
        part : which one, where there are several of a kind, e.g. an aerator's id
        node : a node of the pond that it belongs to; the gateway itself by default
        """
        if not self._nodes:
            return  # an alarm belongs to a pond
        key = f"{kind.group}/{part}" if part else kind.group
        self._move(node, key, None, [(kind, condition)], now, lambda _: numbers)
        standing = self._running[node].get(key)
        if standing is not None and standing.row is not None and standing.active and condition is Condition.BEYOND:
            self._revise(node, standing, {**standing.row["numbers"], **numbers}, now)

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

    def shelve(self, alarm: str, by: str, now: int, until: int) -> AlarmRow | None:
        """Put an alarm aside until a time; it calls again when that is over, or when it grows worse.

        Raises
        ------
        ValueError
            if `until` is not within the next 24 hours
        """
        if not now < until <= now + LONGEST_SHELF:
            raise ValueError(
                f"until is {until}; an alarm can be shelved for up to {LONGEST_SHELF // 3600} hours from now ({now})"
            )
        found = self._find(alarm)
        if found is None:
            return None
        node, _, standing = found
        if self._step(node, standing, Event.SHELVE, now, by, {"until": until}):
            standing.until = until
        return standing.row

    def unshelve(self, alarm: str, now: int) -> AlarmRow | None:
        """Take a shelved alarm back before its time; return it as it stands then."""
        found = self._find(alarm)
        if found is None or found[2].until is None:
            return None
        node, key, standing = found
        self._release(node, key, now)
        return standing.row

    def reset(self, alarm: str, by: str, now: int) -> AlarmRow | None:
        """End a latched alarm whose condition has gone."""
        found = self._find(alarm)
        if found is None:
            return None
        node, key, standing = found
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
        if standing is not None and standing.by is None and self._step(node, standing, Event.SUPPRESS, time, by):
            standing.by, standing.until = by, None

    def _release(self, node: str, key: str, time: int) -> None:
        """End shelving or suppression: the alarm calls again where its condition holds."""
        standing = self._running[node][key]
        standing.by = standing.until = None
        holds = any(delay.holds for delay in standing.delays.values())
        self._step(node, standing, Event.RELEASE if holds else Event.RELEASE_CLEAR, time)
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

    def shift(self, seconds: int) -> None:
        """Move all that is remembered in time: the gateway's clock was wrong by so much, and no alarm may come or go by its correction."""
        for times in (self._latest, self._maintenance):
            for node in times:
                times[node] += seconds
        for node, running in self._running.items():
            for standing in running.values():
                standing.shift(seconds)
                self._dirty.add(node)

    def active(self, node: str) -> list[AlarmRow]:
        """Return the alarms of a node (or of `GATEWAY`) that stand, shelved and suppressed ones among them."""
        return list(self._active(node))

    def _active(self, node: str) -> Iterator[AlarmRow]:
        for standing in self._running[node].values():
            if standing.row is not None and standing.active:
                yield standing.row


def _why(value: float, assessment: Assessment) -> Tell:
    reason = assessment.reason
    numbers: Numbers = {"value": value}
    if reason is not None:
        numbers = {**numbers, **reason.numbers, "reason": reason.key}
    return lambda _: numbers
