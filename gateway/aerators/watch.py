"""One look at the aerators: switch what is to be switched, and raise the alarm of one that does not run."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.aerators.switchboard import Switchboard
from gateway.alarms.board import GATEWAY
from gateway.alarms.engine import AlarmEngine
from gateway.alarms.rules import Condition
from gateway.derived.oxygen import Oxygen
from gateway.observation import Numbers, Pond
from vuong.alarms import ALARM_KINDS

_FAULT = ALARM_KINDS["aerator_fault"]


def look(
    switchboard: Switchboard, engine: AlarmEngine, nodes: Mapping[str, Pond], oxygen: Mapping[str, Oxygen], now: int
) -> None:
    """Move relays and alarms.

    Parameters
    ----------
    switchboard : the relays
    engine : the alarms
    nodes : node id → pond; an aerator's alarm is told with a node of its pond
    oxygen : pond id → its last reading
    now : UTC seconds
    """
    switchboard.update(now, oxygen)
    for seen in switchboard.running(now):
        aerator = seen.aerator
        condition = Condition.UNKNOWN if seen.runs is None else Condition.INSIDE if seen.runs else Condition.BEYOND
        numbers: Numbers = {"aerator": aerator.id, "needed": aerator.least_current}
        if seen.current is not None:
            numbers["current"] = round(seen.current, 1)
        node = next((name for name, pond in nodes.items() if pond.id == aerator.pond), GATEWAY)
        engine.system(_FAULT, condition, now, numbers, aerator.id, node)
