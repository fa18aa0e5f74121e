"""What moves the alarms of a gateway: observations, the clock, and the gateway's own state; `board` has how each of them moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.alarms import told
from gateway.alarms.board import GATEWAY, REOPEN, Board, Tell
from gateway.alarms.rules import TOLD, Condition, Rules, Threshold, rules_of
from gateway.observation import Assessment, Numbers, Observation
from vuong.alarms import ALARM_KINDS, AlarmKind, Category, State
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

_OXYGEN: Final = "oxygen"
_PROBE, _PROBES = ALARM_KINDS["probe_fault"], ALARM_KINDS["probes_fault"]
_PROBE_KEYS: Final = {quantity: f"{_PROBE.group}/{quantity}" for quantity in QUANTITIES}
_NODE, _NODES = ALARM_KINDS["node_offline"], ALARM_KINDS["nodes_offline"]

# Oxygen that failed a test but lies below a limit raises its alarm all the same, unsure, once it has held for this long: a spike does not.
UNSURE_DELAY: Final = 300
# A galvanic probe in water without oxygen may show a little less than nothing.
_BELOW_NOTHING: Final = -0.5
MANY: Final = 3  # probes of a node, or nodes, that fail at once: one cause
# Somebody who cleans probes is done by then; a wrong guess that they are out of the water hides no oxygen alarm for longer.
LONGEST_MAINTENANCE: Final = 2 * 3600
MAINTENANCE: Final = "maintenance"

_UNJUDGED: Final = Assessment()


class AlarmEngine(Board):
    """Moves alarms between their states and hands out the rows that changed; parameters as of `Board`."""

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


def _why(value: float, assessment: Assessment) -> Tell:
    reason = assessment.reason
    numbers: Numbers = {"value": value}
    if reason is not None:
        numbers = {**numbers, **reason.numbers, "reason": reason.key}
    return lambda _: numbers
