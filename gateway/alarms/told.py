"""The numbers that an alarm tells: value and limit, how sure, and of oxygen its course and the aerators to start."""

from __future__ import annotations

import math
from typing import Final

from gateway.alarms.rules import Threshold
from gateway.derived.oxygen import arrival
from gateway.observation import Assessment, Numbers, Pond
from vuong.alarms import AlarmKind, Priority
from vuong.contract.batch import AlarmRow
from vuong.flags import Flag

# Hours below it kill (FAO and extension manuals give 1 mg/L for penaeids; secondary).
KILLS: Final = 1.0
_COURSE: Final = ("rate", "target", "reached", "earliest", "aerators")
_LEAST_RATE: Final = 0.05  # mg/L an hour: less is no fall that a person would act on
# A number that moved by less is no news, whatever the time.
_SHIFTED: Final = 600  # s, of a projected time
_CONFIDENCE: Final = {Flag.GOOD: "high", Flag.NOT_EVALUATED: "medium", Flag.SUSPECT: "medium", Flag.FAIL: "low"}


def confidence(assessment: Assessment | None, probe_fault: bool) -> str:
    """Return ``high``, ``medium`` or ``low``: how sure a water alarm on this reading is.

    Parameters
    ----------
    assessment : what the tests say of the reading; ``None`` for a hand reading or a derived number
    probe_fault : an alarm for the probe stands
    """
    if probe_fault:
        return "low"
    return "medium" if assessment is None else _CONFIDENCE.get(assessment.flag, "low")


def aerators_to_start(kind: AlarmKind, aerators: int) -> int:
    """Return how many of a pond's aerators to start: half of them at a warning, all when it is worse."""
    return math.ceil(aerators / 2) if kind.priority is Priority.WARNING else aerators


def course(threshold: Threshold, worse: tuple[Threshold, ...], value: float, time: int, derived: Numbers, pond: Pond) -> Numbers:
    """Return the rest of what an oxygen alarm tells: rate of fall, when it is down to the next limit, aerators to start.

    Parameters
    ----------
    threshold : the one that holds
    worse : the thresholds below it, the worst first
    value : mg/L
    time : UTC seconds
    derived : with `gateway.derived.oxygen.OxygenCourse`'s numbers where there are enough readings
    pond : with its aerators
    """
    told: Numbers = {}
    count = aerators_to_start(threshold.kind, pond.aerators)
    if count:
        told["aerators"] = count
    rate = derived.get("do_rate")
    if rate is None:
        return told
    middle, low, high = float(rate), float(derived["do_rate_low"]), float(derived["do_rate_high"])
    if high >= 0 or -middle < _LEAST_RATE:
        return told
    told["rate"] = round(-middle, 2)
    target = next((t.limit for t in reversed(worse) if t.limit < value), KILLS)
    found = arrival(time, value, target, middle, low, high)
    if found is not None:
        told |= {"target": target, "reached": found.reached, "earliest": found.earliest}
    return told


def without_course(row: AlarmRow) -> AlarmRow:
    """Return an alarm without the numbers of its course: what does not hold any more must not stay beside what does."""
    return {**row, "numbers": {name: value for name, value in row["numbers"].items() if name not in _COURSE}}


def news(before: Numbers, now: Numbers, deadband: float) -> bool:
    """Return whether numbers have moved so far that people should have them."""
    if any((name in before) != (name in now) for name in ("rate", "reached", "aerators")):
        return True
    for name in ("confidence", "aerators", "limit", "count"):
        if before.get(name) != now.get(name):
            return True
    for name, step in (("value", deadband / 2), ("reached", _SHIFTED)):
        old, new = before.get(name), now.get(name)
        if isinstance(old, int | float) and isinstance(new, int | float) and abs(new - old) >= step > 0:
            return True
    return False
