"""The states of one alarm and what moves them: ISA-18.2's figure of states (IEC 62682, 5.6) as one table, and the row that goes with it.

The condition's own delays are in `delay`; here a condition has been confirmed already.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.observation import Numbers
from vuong.acknowledgement import Acknowledgement, earliest
from vuong.alarms import State
from vuong.contract.batch import AlarmRow


class Event(StrEnum):
    """What happens to an alarm."""

    RAISE = "raised"
    WORSEN = "worsened"  # the next worse kind of its group holds: it calls again
    EASE = "eased"  # the worse kind is over, a milder one holds still
    CLEAR = "cleared"
    LATCH = "latched"  # as CLEAR, for a latching kind
    ACKNOWLEDGE = "acknowledged"
    RESET = "reset"
    SHELVE = "shelved"
    SUPPRESS = "suppressed"
    RELEASE = "released"  # shelving or suppression is over, the condition holds
    RELEASE_CLEAR = "released_clear"  # over, and the condition is gone


_N, _U, _A, _R = State.NORMAL, State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED
_L, _K, _H, _S = State.LATCHED, State.LATCHED_ACKNOWLEDGED, State.SHELVED, State.SUPPRESSED

# What is not in the table does not happen to an alarm in that state.
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (_N, Event.RAISE): _U,
    (_R, Event.RAISE): _U,
    (_L, Event.RAISE): _U,
    (_K, Event.RAISE): _U,
    (_U, Event.WORSEN): _U,
    (_A, Event.WORSEN): _U,
    (_H, Event.WORSEN): _U,
    (_U, Event.EASE): _U,
    (_A, Event.EASE): _A,
    (_H, Event.EASE): _H,
    (_S, Event.EASE): _S,
    (_S, Event.WORSEN): _S,
    (_U, Event.CLEAR): _R,
    (_A, Event.CLEAR): _N,
    (_U, Event.LATCH): _L,
    (_A, Event.LATCH): _K,
    (_U, Event.ACKNOWLEDGE): _A,
    (_R, Event.ACKNOWLEDGE): _N,
    (_L, Event.ACKNOWLEDGE): _K,
    # a second one, perhaps earlier, from elsewhere; and one that comes while the alarm is put aside
    (_N, Event.ACKNOWLEDGE): _N,
    (_A, Event.ACKNOWLEDGE): _A,
    (_K, Event.ACKNOWLEDGE): _K,
    (_H, Event.ACKNOWLEDGE): _H,
    (_S, Event.ACKNOWLEDGE): _S,
    (_L, Event.RESET): _R,
    (_K, Event.RESET): _N,
    (_U, Event.SHELVE): _H,
    (_A, Event.SHELVE): _H,
    (_U, Event.SUPPRESS): _S,
    (_A, Event.SUPPRESS): _S,
    (_H, Event.SUPPRESS): _S,
    (_H, Event.RELEASE): _U,
    (_S, Event.RELEASE): _U,
    (_H, Event.RELEASE_CLEAR): _N,
    (_S, Event.RELEASE_CLEAR): _N,
}
# An alarm that calls is answered by a new acknowledgement only. One that came back unacknowledged has not stopped calling.
_CALLS: Final = (Event.RAISE, Event.WORSEN, Event.RELEASE)
_OVER: Final = (State.RETURNED, State.NORMAL)
_OF_ACKNOWLEDGEMENT: Final = ("acknowledged_by", "acknowledged_where", "acknowledged_revision")
# Numbers that belong to a state and go with it.
_OF_STATE: Final = {
    _H: ("shelved_until", "shelved_by", "shelved_reason", "shelved_at", "shelved_revision"),
    _S: ("suppressed_by",),
}
# Numbers that are moments at which something was; what is projected from the water is measured anew with the next reading.
_MOMENTS: Final = ("since", "called", "heard", "reached", "earliest", "shelved_until")


def step(row: AlarmRow, event: Event, time: int, changes: Numbers | None = None, kind: str | None = None) -> AlarmRow | None:
    """Return the alarm's next revision; ``None`` where the event means nothing in its state.

    Parameters
    ----------
    row : the alarm as it stands
    event : what happens, not `Event.ACKNOWLEDGE` (`acknowledged`)
    time : UTC seconds
    changes : numbers that change with it
    kind : the kind that it is from now on; as before where left out
    """
    before = State(row["state"])
    after = TRANSITIONS.get((before, event))
    if after is None:
        return None
    numbers = dict(row["numbers"])
    if after is not before:
        for name in _OF_STATE.get(before, ()):
            numbers.pop(name, None)
    numbers |= changes or {}
    if event is Event.LATCH:
        numbers["latched"] = row["revision"] + 1  # a reset of what was seen before that is of an earlier time
    following: AlarmRow = {
        **row,
        "kind": kind or row["kind"],
        "state": after.value,
        "revision": row["revision"] + 1,
        "numbers": numbers,
    }
    if after in _OVER:
        following["cleared"] = time
    elif after is _U:
        following["cleared"] = None
    if event in _CALLS and before is not _R:
        following["acknowledged"] = None
        for name in _OF_ACKNOWLEDGEMENT:
            numbers.pop(name, None)
        numbers["annunciated"], numbers["called"] = following["revision"], time
    return following


def shifted(row: AlarmRow, seconds: int, began: int) -> AlarmRow | None:
    """Return the alarm's next revision with its times repaired; ``None`` where it was raised before the clock was in doubt.

    Parameters
    ----------
    row : the alarm as it stands
    seconds : by which the gateway's clock was wrong from `began` on
    began : UTC seconds
    """
    if row["raised"] < began:
        return None
    numbers = dict(row["numbers"])
    for name in _MOMENTS:
        moment = numbers.get(name)
        if isinstance(moment, int) and moment >= began:
            numbers[name] = moment + seconds
    cleared = row["cleared"]
    return {
        **row,
        "revision": row["revision"] + 1,
        "raised": row["raised"] + seconds,
        "cleared": None if cleared is None else cleared + seconds,
        "numbers": numbers,
    }


def acknowledgement_of(row: AlarmRow) -> Acknowledgement | None:
    """Return the acknowledgement that an alarm carries."""
    at, numbers = row["acknowledged"], row["numbers"]
    if at is None:
        return None
    return Acknowledgement(
        at,
        str(numbers.get("acknowledged_where", "gateway")),
        str(numbers.get("acknowledged_by", "")),
        int(numbers.get("acknowledged_revision", row["revision"])),
    )


def acknowledged(row: AlarmRow, said: Acknowledgement) -> AlarmRow | None:
    """Return the alarm with an acknowledgement taken in; ``None`` where that changes nothing.

    The earliest wins (`vuong.acknowledgement`); one of a revision from before the alarm last called does not count.
    """
    numbers = row["numbers"]
    if said.revision < int(numbers.get("annunciated", 1)):
        return None
    known = acknowledgement_of(row)
    winner = earliest(known, said)
    after = TRANSITIONS.get((State(row["state"]), Event.ACKNOWLEDGE))
    if winner is None or winner == known or after is None:
        return None
    return {
        **row,
        "state": after.value,
        "revision": row["revision"] + 1,
        "acknowledged": winner.at,
        "numbers": {
            **numbers,
            "acknowledged_by": winner.by,
            "acknowledged_where": winner.where,
            "acknowledged_revision": winner.revision,
        },
    }
