"""The JSON API that a gateway serves on its LAN and the cloud serves to the world: one schema, so that an app works against either.

Both answer the paths below with the types below; `tests/e2e/test_api_conformance.py` asks the same of both. Times are UTC seconds. An error is
``{"detail": <sentence with field, value, remedy>}``.

What people say (acknowledgement, shelving, hand reading, calibration) is an `Entry` (`vuong.contract.entry`). What follows from a set of them is
a pure function of it: of several acknowledgements of one alarm the earliest counts (`vuong.acknowledgement`).

What is done with an alarm: ``POST /alarms/{id}/acknowledgement``, ``/shelving`` (``{"minutes", "reason"}``), ``/unshelving``, ``/reset``; each takes
``"revision"``, ``"time"`` and ``"id"`` too (`Posted`) and wants `Right.ACKNOWLEDGE`. The last three answer with the `AlarmDetail` as it is with
that counted in (`put_aside`), or 409 where the alarm is in no state for it (`aside_fault`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vuong.acknowledgement import Acknowledgement as Said
from vuong.acknowledgement import standing
from vuong.alarms import ALARM_KINDS, LONGEST_SHELVING, State
from vuong.contract.entry import CLOCK_TOLERANCE, HAND_QUANTITIES, Entry, EntryKind, entry_fault

if TYPE_CHECKING:
    from typing import NotRequired, TypedDict
else:
    # Below Python 3.12 pydantic (the cloud's) reads the backport only; a machine without it needs none.
    try:
        from typing import NotRequired

        from typing_extensions import TypedDict
    except ModuleNotFoundError:
        from typing import NotRequired, TypedDict

# Of `vuong.contract.entry`, for who works with the API.
__all__ = ["CLOCK_TOLERANCE", "HAND_QUANTITIES", "Entry", "EntryKind", "entry_fault"]

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

MOST_ENTRIES: Final = 500  # in one exchange between gateway and cloud


class Right(StrEnum):
    """What a signed-in device may do."""

    READ = "read"
    ACKNOWLEDGE = "acknowledge"  # and put aside for a while, and reset
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
    """An alarm with its texts in the asker's language (``?language=vi|en|km``).

    `acknowledged_by` and `acknowledged_where` are of the earliest acknowledgement; `shelved_until` (UTC seconds), `shelved_by` and
    `shelved_reason` of what put it aside, ``None`` where nobody did; `suppressed_by` is the kind of the alarm that speaks for it, or
    ``maintenance``.
    """

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
    shelved_until: NotRequired[int | None]
    shelved_by: NotRequired[str | None]
    shelved_reason: NotRequired[str | None]
    suppressed_by: NotRequired[str | None]


class Aside(TypedDict):
    """Where an alarm stands once what people did with it is counted in; its fields are those of `AlarmDetail`."""

    state: str
    shelved_until: int | None
    shelved_by: str | None
    shelved_reason: str | None
    suppressed_by: str | None


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
    """A probe that somebody calibrated: points of ``[reference, measured]``.

    What a node tells of its own calibrations (`where` is ``node``) also has `method`, `lot`, and the probe's numbers `before` and `after`.
    """

    id: str
    pond: str
    node: str
    quantity: str
    time: int
    points: list[list[float]]
    note: str
    by: str
    where: str
    method: NotRequired[str]
    lot: NotRequired[str]
    before: NotRequired[list[float]]
    after: NotRequired[list[float]]


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


# What may be done with an alarm, and in which states (`gateway.alarms.states` has the whole table).
_FITTING: Final[dict[str, tuple[str, ...]]] = {
    EntryKind.SHELVING: (State.UNACKNOWLEDGED, State.ACKNOWLEDGED),
    EntryKind.UNSHELVING: (State.SHELVED,),
    EntryKind.RESET: (State.LATCHED, State.LATCHED_ACKNOWLEDGED),
}


def counts(entry: Entry, state: str, numbers: Mapping[str, Any]) -> bool:
    """Return whether a shelving, unshelving or reset means anything to an alarm as it stands.

    It must fit the state, and be of what the alarm has said since it last called: an alarm that called again must be looked at again. So a
    repeat of what was carried out and is over changes nothing. A shelving is taken back by who saw it, or spoke after it.
    """
    if state not in _FITTING[entry["kind"]]:
        return False
    since = "latched" if entry["kind"] == EntryKind.RESET else "annunciated"
    seen = int(entry["content"]["revision"])
    if entry["kind"] == EntryKind.UNSHELVING and seen < int(numbers.get("shelved_revision", 0)):
        return entry["at"] >= int(numbers.get("shelved_at", 0))
    return seen >= int(numbers.get(since, 0))


def put_aside(state: str, numbers: Mapping[str, Any], entries: Iterable[Entry], now: float) -> Aside:
    """Return where an alarm stands, with what people did counted in that its gateway may not have met yet.

    Parameters
    ----------
    state : of the alarm's row, with its acknowledgement counted in (`acknowledged_state`)
    numbers : of the row
    entries : shelvings, unshelvings and resets of this alarm that are known here, in the order in which they came; others are passed by
    now : UTC seconds
    """
    found: Aside = {
        "state": state,
        "shelved_until": numbers.get("shelved_until"),
        "shelved_by": numbers.get("shelved_by"),
        "shelved_reason": numbers.get("shelved_reason"),
        "suppressed_by": numbers.get("suppressed_by"),
    }
    for entry in sorted((e for e in entries if e["kind"] in _FITTING), key=lambda e: e["at"]):
        if not counts(entry, found["state"], numbers):
            continue
        if entry["kind"] == EntryKind.SHELVING:
            until = entry["at"] + 60 * int(entry["content"]["minutes"])
            if until > now:
                reason = str(entry["content"]["reason"])
                found |= {"state": State.SHELVED, "shelved_until": until, "shelved_by": entry["by"], "shelved_reason": reason}
        elif entry["kind"] == EntryKind.UNSHELVING:
            found |= {"state": State.UNACKNOWLEDGED, "shelved_until": None, "shelved_by": None, "shelved_reason": None}
        else:
            found["state"] = State.RETURNED if found["state"] == State.LATCHED else State.NORMAL
    return found


def aside_fault(entry: Entry, kind: str, state: str, numbers: Mapping[str, Any]) -> str | None:
    """Return why a shelving, unshelving or reset cannot be carried out (answer 409), ``None`` where it can.

    Parameters
    ----------
    entry : what somebody wants
    kind, state, numbers : of the alarm as it stands (`put_aside`)
    """
    if state not in _FITTING[entry["kind"]]:
        fitting = " or ".join(_FITTING[entry["kind"]])
        return f"the alarm is {state}; {entry['kind']} is for one that is {fitting}: look at it again"
    if not counts(entry, state, numbers):
        return f"revision is {entry['content']['revision']}, and the alarm has called again since: look at it again"
    longest = LONGEST_SHELVING[ALARM_KINDS[kind].priority] // 60
    if entry["kind"] == EntryKind.SHELVING and entry["content"]["minutes"] > longest:
        return f"minutes is {entry['content']['minutes']}; an alarm of this priority may be shelved for up to {longest}"
    return None


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
    found: Calibration = {
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
    for name in ("method", "lot", "before", "after"):
        if name in content:
            found[name] = content[name]
    return found
