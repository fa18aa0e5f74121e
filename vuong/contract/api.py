"""The JSON API that a gateway serves on its LAN and the cloud serves to the world: one schema, so that an app works against either.

Both answer the paths below with the types below; `tests/e2e/test_api_conformance.py` asks the same of both. Times are UTC seconds. An error is
``{"detail": <sentence with field, value, remedy>}``.

What people say (acknowledgement, hand reading, calibration) is an `Entry`: known by its id, never changed, so that gateway and cloud only ever
unite their sets of entries, any number of times, in any order. What follows from a set is a pure function of it: of several
acknowledgements of one alarm the earliest counts (`vuong.acknowledgement`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vuong.acknowledgement import WHERE, standing
from vuong.acknowledgement import Acknowledgement as Said
from vuong.quantities import QUANTITIES

if TYPE_CHECKING:
    from typing import NotRequired, TypedDict
else:
    # Below Python 3.12 pydantic (the cloud's) reads the backport only; a machine without it needs none.
    try:
        from typing import NotRequired

        from typing_extensions import TypedDict
    except ModuleNotFoundError:
        from typing import NotRequired, TypedDict

ROOT: Final = "/api/v1"
ME: Final = ROOT + "/me"
PONDS: Final = ROOT + "/ponds"
LATEST: Final = ROOT + "/latest"
ALARMS: Final = ROOT + "/alarms"
LIVE: Final = ROOT + "/live"
EVENTS: Final = ROOT + "/events"  # server-sent events: "live" with a `Live`, "readings" with a list of `LastValue`
DEVICES: Final = ROOT + "/devices"  # POST credentials, get a token: how an app signs in
ENTRIES: Final = ROOT + "/entries"  # gateway ↔ cloud only
# A browser session writes only with the form token of its page in this header; who comes with a bearer token needs none.
FORM_HEADER: Final = "X-Vuong-Form-Token"

# How far ahead of our own clock somebody else's may go.
CLOCK_TOLERANCE: Final = 300
MOST_ENTRIES: Final = 500  # in one exchange between gateway and cloud


class Right(StrEnum):
    """What a signed-in device may do."""

    READ = "read"
    ACKNOWLEDGE = "acknowledge"
    ENTER = "enter"  # hand readings
    CALIBRATE = "calibrate"


RIGHTS: Final[dict[str, frozenset[Right]]] = {
    "viewer": frozenset({Right.READ}),
    "farmer": frozenset({Right.READ, Right.ACKNOWLEDGE, Right.ENTER}),
    "manager": frozenset(Right),
    "technician": frozenset(Right),
    "administrator": frozenset(Right),
    "official": frozenset({Right.READ}),
    "gateway": frozenset({Right.READ}),  # it exchanges entries that people made; it makes none of its own
}


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


class Entry(TypedDict):
    """What a person said: when (`at`), who (`by`), and where (one of `vuong.acknowledgement.WHERE`).

    `content` by kind: ``{"alarm", "revision"}`` (of the alarm as the person saw it); ``{"quantity", "value", "note"}``;
    ``{"node", "quantity", "points", "note"}`` with points of ``[reference, measured]``.
    """

    id: str
    kind: str
    pond: str
    at: int
    by: str
    where: str
    content: dict[str, Any]


class Me(TypedDict):
    """Who asks; `cooperative` is ``None`` for those who see all, and on a gateway."""

    name: str
    role: str
    cooperative: str | None
    language: str | None
    rights: list[str]


class PondSummary(TypedDict):
    """A pond; `area` in m², `depth` in m."""

    id: str
    name: str
    cooperative: str | None
    species: str
    area: float | None
    depth: float | None
    longitude: float | None
    latitude: float | None


class PondDetail(PondSummary):
    """A pond with the limits that hold for it, and its nodes."""

    limits: dict[str, Any]
    nodes: list[str]


class LastValue(TypedDict):
    """A pond's last value of a quantity, in the quantity's unit; `flag` is QARTOD's."""

    pond: str
    quantity: str
    unit: str
    time: int
    value: float
    flag: int


class Readings(TypedDict):
    """A pond's series of one quantity, thinned with its extremes kept; `reasons` by position in the lists."""

    pond: str
    quantity: str
    unit: str
    start: int
    end: int
    total: int
    time: list[int]
    value: list[float]
    flag: list[int]
    reasons: dict[str, str]


class Live(TypedDict):
    """Whether there is something new: `mark` changes with every new reading, alarm and entry."""

    now: int
    mark: str
    alarms: int


class AlarmDetail(TypedDict):
    """An alarm with its texts in the asker's language; `acknowledged_by` and `acknowledged_where` are of the earliest acknowledgement."""

    id: str
    revision: int
    pond: str
    kind: str
    category: str
    priority: str
    quantity: str | None
    state: str
    raised: int
    cleared: int | None
    acknowledged: int | None
    acknowledged_by: str | None
    acknowledged_where: str | None
    numbers: dict[str, Any]
    title: str
    message: str
    confidence: str
    cause: str
    advice: str


class Acknowledgement(TypedDict):
    """The acknowledgement of an alarm that counts: the earliest."""

    alarm: str
    at: int
    by: str | None
    where: str | None


class HandReading(TypedDict):
    """A value that somebody measured by hand."""

    id: str
    pond: str
    quantity: str
    unit: str
    time: int
    value: float
    note: str
    by: str
    where: str


class Calibration(TypedDict):
    """A probe that somebody calibrated: points of ``[reference, measured]``."""

    id: str
    pond: str
    node: str
    quantity: str
    time: int
    points: list[list[float]]
    note: str
    by: str
    where: str


class Posted(TypedDict):
    """What an app may send along with an entry: its own id (so that a repeat has one effect) and when it was said (an app may be off-line)."""

    id: NotRequired[str]
    time: NotRequired[int]
    revision: NotRequired[int]


class EntryPage(TypedDict):
    """The cloud's entries after a position: ``GET /api/v1/entries?after=N``, with an ETag; ``last`` is where to go on."""

    entries: list[Entry]
    last: int


class EntryReply(TypedDict):
    """The reply to posted entries: ids that are stored (now or before), and id → reason of those that never will be."""

    accepted: list[str]
    refused: dict[str, str]


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


def _acknowledgement_fault(content: Mapping[str, Any]) -> str | None:
    alarm, revision = content.get("alarm"), content.get("revision")
    if not _text(alarm, 200):
        return f"alarm is {alarm!r:.60}; send the id of an alarm"
    if type(revision) is not int or not 0 <= revision < 2**31:
        return f"revision is {revision!r:.60}; send the alarm's revision that was seen"
    return None


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


def _calibration_fault(content: Mapping[str, Any]) -> str | None:
    fault = _measured_fault(content)
    if fault is not None:
        return fault
    node, points = content.get("node"), content.get("points")
    if not isinstance(node, str) or not _NODE.fullmatch(node):
        return f"node is {node!r:.60}; send an EUI-64: 16 lower-case hex digits"
    if not isinstance(points, list) or not 1 <= len(points) <= 5:
        return f"points is {points!r:.60}; send one to five pairs of [reference, measured]"
    for point in points:
        if not isinstance(point, list) or len(point) != 2 or not all(_number(p, -1e6, 1e6) for p in point):
            return f"points has {point!r:.60}; send pairs of numbers [reference, measured]"
    return None


_CONTENTS: Final[dict[str, tuple[set[str], Callable[[Mapping[str, Any]], str | None]]]] = {
    EntryKind.ACKNOWLEDGEMENT: ({"alarm", "revision"}, _acknowledgement_fault),
    EntryKind.HAND_READING: ({"quantity", "value", "note"}, _hand_reading_fault),
    EntryKind.CALIBRATION: ({"quantity", "node", "points", "note"}, _calibration_fault),
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


def standing_acknowledgement(
    alarm: str, acknowledged: int | None, numbers: Mapping[str, Any], entries: Iterable[Entry]
) -> Acknowledgement | None:
    """Return the acknowledgement of an alarm that counts, ``None`` where nobody has acknowledged it.

    Parameters
    ----------
    alarm, acknowledged, numbers : of the alarm's row, as its gateway made it
    entries : the acknowledgements of this alarm that are known here; the row may not have met them yet
    """
    annunciated = numbers.get("annunciated", 0)
    found = standing((_said(entry) for entry in entries), annunciated if isinstance(annunciated, int) else 0)
    if found is None:
        return None if acknowledged is None else {"alarm": alarm, "at": acknowledged, "by": None, "where": None}
    at = found.at if acknowledged is None else min(found.at, acknowledged)
    # A gateway counts an acknowledgement of a clock that goes ahead as made at its own time: it is the same one.
    same = found.at - at <= CLOCK_TOLERANCE
    return {"alarm": alarm, "at": at, "by": found.by if same else None, "where": found.where if same else None}


def _said(entry: Entry) -> Said:
    return Said(entry["at"], entry["where"], entry["by"], entry["content"]["revision"])


def acknowledged_state(state: str, *, acknowledged: bool) -> str:
    """Return the state of an alarm once it is known whether somebody acknowledged it (ISA-18.2: returned and acknowledged is normal)."""
    after = {"unacknowledged": "acknowledged", "returned": "normal", "latched": "latched_acknowledged"}
    return after.get(state, state) if acknowledged else state


def hand_reading(entry: Entry) -> HandReading:
    """Return an entry as a hand reading."""
    content = entry["content"]
    return {
        "id": entry["id"],
        "pond": entry["pond"],
        "quantity": content["quantity"],
        "unit": HAND_QUANTITIES[content["quantity"]]["unit"],
        "time": entry["at"],
        "value": content["value"],
        "note": content.get("note", ""),
        "by": entry["by"],
        "where": entry["where"],
    }


def calibration(entry: Entry) -> Calibration:
    """Return an entry as a calibration."""
    content = entry["content"]
    return {
        "id": entry["id"],
        "pond": entry["pond"],
        "node": content["node"],
        "quantity": content["quantity"],
        "time": entry["at"],
        "points": content["points"],
        "note": content.get("note", ""),
        "by": entry["by"],
        "where": entry["where"],
    }
