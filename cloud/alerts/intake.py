"""Taking alarms and node states out of a batch."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, Final

from sqlalchemy import Connection

from cloud.alerts.tables import Alarm, NodeStatus
from cloud.telemetry.store import upsert
from cloud.telemetry.validation import Refusal
from vuong.alarms import ALARM_KINDS

Check = Callable[[Any], bool]

_SCALARS: Final = (str, int, float, NoneType)


def _text(value: object) -> bool:
    # PostgreSQL's text holds no NUL.
    return isinstance(value, str) and 0 < len(value) <= 200 and "\0" not in value


def _time(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _flat(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, _SCALARS) for entry in value.values())


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _fault(row: object, fields: dict[str, tuple[Check, str]]) -> str | None:
    """Return what is wrong with a row, naming field, value and remedy."""
    if not isinstance(row, dict):
        return f"row is {type(row).__name__}; send an object"
    for name, (check, expected) in fields.items():
        if not check(row.get(name)):
            return f"{name} is {row.get(name)!r:.60}; send {expected}"
    return None


_ALARM: dict[str, tuple[Check, str]] = {
    "id": (_text, "a text"),
    "revision": (lambda value: type(value) is int and 0 <= value < 2**31, "an integer from 0"),
    "pond": (_text, "a pond's id"),
    "node": (_optional(_text), "a text or null"),
    "kind": (lambda value: isinstance(value, str) and value in ALARM_KINDS, f"one of {', '.join(ALARM_KINDS)}"),
    "quantity": (_optional(_text), "a text or null"),
    "state": (_text, "a text"),
    "raised": (_time, "UTC seconds"),
    "cleared": (_optional(_time), "UTC seconds or null"),
    "acknowledged": (_optional(_time), "UTC seconds or null"),
    "numbers": (_flat, "an object of numbers and texts"),
}
_STATUS: dict[str, tuple[Check, str]] = {
    "node": (_text, "a node's EUI-64"),
    "time": (_time, "UTC seconds"),
    "state": (_text, "a text"),
    "detail": (_flat, "an object of numbers and texts"),
}


def take_alarms(connection: Connection, rows: list[Any], cooperative: str, ponds: set[str]) -> list[Refusal]:
    """Store alarms of one co-op, a later revision over an earlier one; return those that were refused."""
    refusals, newest = list[Refusal](), dict[str, dict[str, Any]]()
    for index, row in enumerate(rows):
        fault = _fault(row, _ALARM)
        if fault is None and row["pond"] not in ponds:
            fault = f"pond is {row['pond']!r:.60}, which is none of this gateway's co-op"
        if fault is not None:
            refusals.append(Refusal("alarms", index, fault, row))
            continue
        held = newest.get(row["id"])
        if held is None or row["revision"] > held["revision"]:
            newest[row["id"]] = {name: row.get(name) for name in _ALARM if name != "pond"} | {
                "pond_id": row["pond"],
                "cooperative_id": cooperative,
            }
    if newest:
        table = Alarm.__table__
        statement = upsert(connection, table)
        statement = statement.on_conflict_do_update(
            index_elements=["id"],
            set_={
                column.name: statement.excluded[column.name] for column in table.c if column.name not in {"id", "cooperative_id"}
            },
            # An id that another co-op holds already stays theirs.
            where=(statement.excluded.revision > table.c.revision)
            & (statement.excluded.cooperative_id == table.c.cooperative_id),
        )
        connection.execute(statement, [newest[key] for key in sorted(newest)])
    return refusals


def take_statuses(connection: Connection, rows: list[Any], cooperative: str, nodes: dict[str, int]) -> list[Refusal]:
    """Store node states of one co-op, one a node and time; return those that were refused."""
    refusals, states = list[Refusal](), dict[tuple[int, int], dict[str, Any]]()
    for index, row in enumerate(rows):
        fault = _fault(row, _STATUS)
        if fault is None and row["node"] not in nodes:
            fault = f"node is {row['node']!r:.60}, which is none of this gateway's co-op"
        if fault is not None:
            refusals.append(Refusal("statuses", index, fault, row))
            continue
        node = nodes[row["node"]]
        held = states.get((node, row["time"]))
        if held is None or row["state"] > held["state"]:
            states[node, row["time"]] = {
                "node_id": node,
                "time": row["time"],
                "state": row["state"],
                "detail": row["detail"],
                "cooperative_id": cooperative,
            }
    if states:
        table = NodeStatus.__table__
        statement = upsert(connection, table)
        # Two states in one second: the later word of the alphabet stays (online over offline), in whatever order they came.
        statement = statement.on_conflict_do_update(
            index_elements=["node_id", "time"],
            set_={"state": statement.excluded.state, "detail": statement.excluded.detail},
            where=statement.excluded.state > table.c.state,
        )
        connection.execute(statement, [states[key] for key in sorted(states)])
    return refusals
