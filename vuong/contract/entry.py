"""What people say of ponds and alarms, as it passes between app, gateway and cloud: kinds, contents, and what is wrong with one.

An entry is known by its id and never changed, so that gateway and cloud only ever unite their sets of entries, any number of times, in any order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vuong.acknowledgement import WHERE
from vuong.quantities import QUANTITIES

if TYPE_CHECKING:
    from typing import TypedDict
else:
    # Below Python 3.12 pydantic (the cloud's) reads the backport only; a machine without it needs none.
    try:
        from typing_extensions import TypedDict
    except ModuleNotFoundError:
        from typing import TypedDict

# How far ahead of our own clock somebody else's may go.
CLOCK_TOLERANCE: Final = 300
LONGEST_SHELVING: Final = 24 * 60  # minutes; `vuong.alarms.LONGEST_SHELVING` says which alarms for less


class HandQuantity(TypedDict):
    """What is measured with a test kit or a meter in the hand: unit and the range of what can be."""

    unit: str
    low: float
    high: float


# Those of the probes, and those that only a kit measures (ranges: far beyond what shrimp live in, to catch a slip of the finger).
HAND_QUANTITIES: Final[dict[str, HandQuantity]] = {
    **{q.name: {"unit": q.unit, "low": q.low, "high": q.high} for q in QUANTITIES.values()},
    "alkalinity": {"unit": "mg/L", "low": 0.0, "high": 1000.0},  # as CaCO3
    "tan": {"unit": "mg/L", "low": 0.0, "high": 100.0},  # total ammonia nitrogen
    "nitrite": {"unit": "mg/L", "low": 0.0, "high": 100.0},  # as NO2
    "h2s": {"unit": "mg/L", "low": 0.0, "high": 20.0},
}


class EntryKind(StrEnum):
    """What somebody said."""

    ACKNOWLEDGEMENT = "acknowledgement"
    HAND_READING = "hand_reading"
    CALIBRATION = "calibration"
    SHELVING = "shelving"
    UNSHELVING = "unshelving"
    RESET = "reset"  # of an alarm that latches, once its condition is gone


# What somebody did with an alarm; their contents name it.
OF_ALARM: Final = (EntryKind.ACKNOWLEDGEMENT, EntryKind.SHELVING, EntryKind.UNSHELVING, EntryKind.RESET)


class Entry(TypedDict):
    """What a person said: when (`at`), who (`by`), and where (one of `vuong.acknowledgement.WHERE`).

    `content` by kind:

    - acknowledgement, unshelving, reset: ``{"alarm", "revision"}``, the revision that the person saw
    - shelving: ``{"alarm", "revision", "minutes", "reason"}``
    - hand reading: ``{"quantity", "value", "note"}``
    - calibration: ``{"node", "quantity", "points", "note"}`` with points of ``[reference, measured]``; one that a node tells of itself also
      ``"method"``, ``"lot"``, and the probe's numbers ``"before"`` and ``"after"``, and may be without points
    """

    id: str
    kind: str
    pond: str
    at: int
    by: str
    where: str
    content: dict[str, Any]


_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
_NODE: Final = re.compile(r"[0-9a-f]{16}")


def _number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high


def _text(value: object, longest: int, shortest: int = 1) -> bool:
    return isinstance(value, str) and shortest <= len(value) <= longest and value.isprintable()


def _content_fault(kind: str, content: Mapping[str, Any]) -> str | None:
    known, find = _CONTENTS[kind]
    unknown = sorted(set(content) - known)
    return f"{unknown[0]} is not known; known are {', '.join(sorted(known))}" if unknown else find(content)


def _alarm_fault(content: Mapping[str, Any]) -> str | None:
    alarm, revision = content.get("alarm"), content.get("revision")
    if not _text(alarm, 200):
        return f"alarm is {alarm!r:.60}; send the id of an alarm"
    if type(revision) is not int or not 0 <= revision < 2**31:
        return f"revision is {revision!r:.60}; send the alarm's revision that was seen"
    return None


def _shelving_fault(content: Mapping[str, Any]) -> str | None:
    fault = _alarm_fault(content)
    if fault is not None:
        return fault
    minutes = content.get("minutes")
    if type(minutes) is not int or not 1 <= minutes <= LONGEST_SHELVING:
        return f"minutes is {minutes!r:.60}; send for how long, 1 to {LONGEST_SHELVING}"
    return None if _text(content.get("reason"), 200) else "reason is not usable; send why, up to 200 letters on one line"


def _measured_fault(content: Mapping[str, Any]) -> str | None:
    if content.get("quantity") not in tuple(HAND_QUANTITIES):
        return f"quantity is {content.get('quantity')!r:.60}; send one of {', '.join(HAND_QUANTITIES)}"
    return None if _text(content.get("note", ""), 500, 0) else "note is not usable; send up to 500 letters on one line"


def _hand_reading_fault(content: Mapping[str, Any]) -> str | None:
    fault = _measured_fault(content)
    if fault is not None:
        return fault
    quantity, value = content["quantity"], content.get("value")
    found = HAND_QUANTITIES[quantity]
    low, high, unit = found["low"], found["high"], found["unit"]
    return None if _number(value, low, high) else f"value is {value!r:.60}; send {quantity} from {low:g} to {high:g} {unit}"


def _calibration_fault(content: Mapping[str, Any]) -> str | None:  # noqa: PLR0911 - one a fault
    fault = _measured_fault(content)
    if fault is not None:
        return fault
    node, points = content.get("node"), content.get("points")
    if not isinstance(node, str) or not _NODE.fullmatch(node):
        return f"node is {node!r:.60}; send an EUI-64: 16 lower-case hex digits"
    for name in ("before", "after"):
        numbers = content.get(name, [])
        if not isinstance(numbers, list) or len(numbers) > 8 or not all(_number(n, -1e9, 1e9) for n in numbers):
            return f"{name} is {numbers!r:.60}; send up to eight numbers"
    for name in ("method", "lot"):
        if not _text(content.get(name, ""), 120, 0):
            return f"{name} is not usable; send up to 120 letters on one line"
    least = 0 if content.get("after") else 1
    if not isinstance(points, list) or not least <= len(points) <= 5:
        return f"points is {points!r:.60}; send one to five pairs of [reference, measured]"
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or not all(_number(p, -1e6, 1e6) for p in point):
            return f"points has {point!r:.60}; send pairs of numbers [reference, measured]"
    return None


_CONTENTS: Final[dict[str, tuple[set[str], Callable[[Mapping[str, Any]], str | None]]]] = {
    EntryKind.ACKNOWLEDGEMENT: ({"alarm", "revision"}, _alarm_fault),
    EntryKind.UNSHELVING: ({"alarm", "revision"}, _alarm_fault),
    EntryKind.RESET: ({"alarm", "revision"}, _alarm_fault),
    EntryKind.SHELVING: ({"alarm", "revision", "minutes", "reason"}, _shelving_fault),
    EntryKind.HAND_READING: ({"quantity", "value", "note"}, _hand_reading_fault),
    EntryKind.CALIBRATION: ({"quantity", "node", "points", "note", "method", "lot", "before", "after"}, _calibration_fault),
}


def entry_fault(row: object, now: float) -> str | None:  # noqa: PLR0911 - one a fault
    """Return what is wrong with an entry (field, value, remedy), ``None`` where nothing is.

    Parameters
    ----------
    row : what came in
    now : our UTC seconds; an entry from the future is a wrong clock
    """
    if not isinstance(row, dict):
        return f"entry is {type(row).__name__}; send an object"
    if not isinstance(row.get("id"), str) or not _ID.fullmatch(row["id"]):
        return f"id is {row.get('id')!r:.60}; send 8 to 64 letters and digits, such as a UUID"
    if row.get("kind") not in set(EntryKind):
        return f"kind is {row.get('kind')!r:.60}; send one of {', '.join(EntryKind)}"
    if row.get("where") not in WHERE:
        return f"where is {row.get('where')!r:.60}; send one of {', '.join(WHERE)}"
    for name, longest in (("pond", 200), ("by", 120)):
        if not _text(row.get(name), longest):
            return f"{name} is {row.get(name)!r:.60}; send a text of up to {longest} letters"
    at = row.get("at")
    if type(at) is not int or at < 0:
        return f"time is {at!r:.60}; send UTC seconds"
    if at > now + CLOCK_TOLERANCE:
        return f"time is {at}, which is {at - now:.0f} s ahead of here; set the clock right and send it again"
    content = row.get("content")
    if not isinstance(content, dict):
        return f"content is {type(content).__name__}; send an object"
    unknown = sorted(set(row) - set(Entry.__annotations__))
    return f"{unknown[0]} is not known" if unknown else _content_fault(row["kind"], content)
