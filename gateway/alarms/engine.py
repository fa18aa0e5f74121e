"""The state of every alarm of a gateway, moved on by observations and by the clock."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from gateway.alarms.rules import (
    NODE_OFFLINE,
    PROBE_FAULT,
    SALINITY_RISE,
    Condition,
    rules_of,
    salinity_rise,
)
from gateway.observation import Numbers, Observation, Pond
from vuong.alarms import AlarmKind
from vuong.contract.batch import AlarmRow
from vuong.flags import Flag

# ISA-18.2's states as far as the gateway moves through them by itself; a person adds "acknowledged", "shelved", "suppressed".
UNACKNOWLEDGED: Final = "unacknowledged"
RETURNED: Final = "returned"
NORMAL: Final = "normal"

_IDS: Final = uuid.UUID("5e1c9b52-6d3e-4d0b-9a8e-1f0b6c1f7a11")
_Key = tuple[str, str | None]  # alarm kind, quantity
GATEWAY: Final = ""  # stands for the gateway itself where a node is expected


@dataclass(slots=True)
class _Running:
    """An alarm that waits for its on-delay, or is raised.

    Attributes
    ----------
    since : UTC seconds from which the condition has held
    inside : UTC seconds from which it has been gone; ``None`` while it holds
    row : the raised alarm, ``None`` during the on-delay
    """

    since: int
    inside: int | None = None
    row: AlarmRow | None = None


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
        self._running: dict[str, dict[_Key, _Running]] = {node: {} for node in (GATEWAY, *nodes)}
        self._latest: dict[str, int] = {}
        self._changed: dict[str, AlarmRow] = {}
        self._dirty: set[str] = set()

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
        if observation.maintenance:
            return
        pond, running = observation.pond, self._running[node]
        rules = rules_of(pond.limits)
        for quantity, value in sample.values.items():
            assessment = observation.assessments[quantity]
            failed = assessment.flag is Flag.FAIL
            if failed or running:
                probe = Condition.BEYOND if failed else Condition.BETWEEN if assessment.flag is Flag.SUSPECT else Condition.INSIDE
                reason = assessment.reason
                numbers: Numbers = {"value": value}
                if failed and reason is not None:
                    numbers = {**numbers, **reason.numbers, "reason": reason.key}
                self._move(node, PROBE_FAULT, quantity, probe, time, numbers)
            found = rules.get(quantity)
            if found is None or (not running and found.low <= value <= found.high):
                continue
            for threshold in found.thresholds:
                condition = Condition.UNKNOWN if failed else threshold.condition(value)
                self._move(node, threshold.kind, quantity, condition, time, {"value": value, "limit": threshold.limit})
        rise = observation.derived.get("salinity_rise")
        if isinstance(rise, float):
            numbers = {"value": sample.values["salinity"], "rise": round(rise, 3), "limit": pond.limits.salinity_rise}
            self._move(node, SALINITY_RISE, "salinity", salinity_rise(rise, pond.limits), time, numbers)

    def tick(self, now: int, heard: Mapping[str, int], offline_after: int) -> None:
        """Move the off-line alarms.

        Parameters
        ----------
        now : UTC seconds
        heard : node → UTC seconds of its last message (or of the gateway's start)
        offline_after : seconds of silence after which a node is off-line
        """
        for node in self._nodes:
            last = heard[node]
            condition = Condition.BEYOND if now - last > offline_after else Condition.INSIDE
            self._move(node, NODE_OFFLINE, None, condition, now, {"heard": last, "minutes": (now - last) // 60})

    def system(self, kind: AlarmKind, condition: Condition, now: int, numbers: Numbers) -> None:
        """Move an alarm of the gateway itself: its disk, its clock, its database.

        A raised alarm whose numbers have changed gets a revision: what it counts goes to the cloud with it.
        """
        if not self._nodes:
            return  # an alarm belongs to a pond
        self._move(GATEWAY, kind, None, condition, now, numbers)
        state = self._running[GATEWAY].get((kind.name, None))
        if state is not None and state.row is not None and condition is Condition.BEYOND:
            told = {**state.row["numbers"], **numbers}
            if told != state.row["numbers"]:
                state.row = {**state.row, "numbers": told, "revision": state.row["revision"] + 1}
                self._change(GATEWAY, state.row)

    def shift(self, seconds: int) -> None:
        """Move all that is remembered in time: the gateway's clock was wrong by so much, and no alarm may come or go by its correction."""
        for node in self._latest:
            self._latest[node] += seconds
        for node, running in self._running.items():
            for state in running.values():
                state.since += seconds
                if state.inside is not None:
                    state.inside += seconds
                self._dirty.add(node)

    def _move(self, node: str, kind: AlarmKind, quantity: str | None, condition: Condition, time: int, numbers: Numbers) -> None:
        running = self._running[node]
        key = (kind.name, quantity)
        state = running.get(key)
        if state is None:
            if condition is not Condition.BEYOND:
                return
            state = running[key] = _Running(since=time)
            self._dirty.add(node)
        if state.row is None:
            if condition is Condition.UNKNOWN:
                return
            if condition is not Condition.BEYOND:
                del running[key]
                self._dirty.add(node)
            elif time - state.since >= kind.on_delay:
                state.row = self._raise(node, kind, quantity, state.since, time, numbers)
            return
        if condition is Condition.INSIDE:
            if state.inside is None:
                state.inside = time
                self._dirty.add(node)
            if time - state.inside >= kind.off_delay:
                del running[key]
                self._change(
                    node,
                    {
                        **state.row,
                        "revision": state.row["revision"] + 1,
                        "state": RETURNED if state.row["acknowledged"] is None else NORMAL,
                        "cleared": time,
                    },
                )
        elif condition is not Condition.UNKNOWN and state.inside is not None:
            state.inside = None
            self._dirty.add(node)

    def _raise(self, node: str, kind: AlarmKind, quantity: str | None, since: int, time: int, numbers: Numbers) -> AlarmRow:
        pond = self._nodes[node].id if node else next(iter(self._nodes.values())).id
        # The same alarm must get the same id when the gateway takes a sample again after a crash.
        identity = f"{self._gateway}/{node}/{kind.name}/{quantity}/{time}"
        row: AlarmRow = {
            "id": str(uuid.uuid5(_IDS, identity)),
            "revision": 1,
            "pond": pond,
            "node": node or None,
            "kind": kind.name,
            "quantity": quantity,
            "state": UNACKNOWLEDGED,
            "raised": time,
            "cleared": None,
            "acknowledged": None,
            "numbers": {**numbers, "since": since},
        }
        self._change(node, row)
        return row

    def _change(self, node: str, row: AlarmRow) -> None:
        self._changed[row["id"]] = row
        self._dirty.add(node)

    def drain(self) -> tuple[list[AlarmRow], dict[str, bytes]]:
        """Return the alarms that changed and the state of the nodes that changed since the last call, to be stored together."""
        rows, states = list(self._changed.values()), {node: self._state(node) for node in self._dirty}
        self._changed, self._dirty = {}, set()
        return rows, states

    def _state(self, node: str) -> bytes:
        return json.dumps([[*key, asdict(state)] for key, state in self._running[node].items()]).encode()

    def restore(self, node: str, state: bytes, latest: int) -> None:
        """Take back the state of a node and the time of its newest sample."""
        self._latest[node] = latest
        if state:
            self._running[node] = {(kind, quantity): _Running(**running) for kind, quantity, running in json.loads(state)}

    def active(self, node: str) -> list[AlarmRow]:
        """Return the raised alarms of a node."""
        return [state.row for state in self._running[node].values() if state.row is not None]
