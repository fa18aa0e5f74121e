"""When the condition of an alarm holds: the thresholds of a pond on its quantities and on what is derived from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from operator import attrgetter
from typing import Final

from vuong.alarms import ALARM_KINDS, AlarmKind, Side
from vuong.limits import Limits


class Condition(Enum):
    """Where a value stands against an alarm's limit."""

    BEYOND = auto()  # past the limit: the alarm's condition holds
    BETWEEN = auto()  # back inside, but within the deadband
    INSIDE = auto()  # clear of limit and deadband
    UNKNOWN = auto()  # the value says nothing (failed its tests): neither raise nor clear


@dataclass(frozen=True, slots=True)
class Threshold:
    """One threshold alarm of one pond: raised past `limit`, gone once past `clear` on the way back."""

    kind: AlarmKind
    limit: float
    clear: float
    low: bool

    def condition(self, value: float) -> Condition:
        """Return where `value` stands."""
        if (value < self.limit) if self.low else (value > self.limit):
            return Condition.BEYOND
        if (value >= self.clear) if self.low else (value <= self.clear):
            return Condition.INSIDE
        return Condition.BETWEEN


@dataclass(frozen=True, slots=True)
class Rules:
    """All threshold alarms of one watched number in one pond; while `low` <= value <= `high` none of their conditions holds.

    Attributes
    ----------
    quantity : the number itself, or the one that a derived number is about
    groups : group of alarms → its thresholds, the worst first
    """

    quantity: str | None
    groups: dict[str, tuple[Threshold, ...]]
    low: float
    high: float


# Derived number → the numbers that an alarm on it tells: name in the texts, name among the derived ones.
TOLD: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "salinity_rise": (("rise", "salinity_rise"), ("change", "salinity_rise"), ("rate", "salinity_rate")),
    "salinity_fall": (("change", "salinity_fall"), ("rate", "salinity_rate")),
    "ph_swing": (("swing", "ph_swing"),),
    "ammonia": (("ammonia", "ammonia"), ("safe", "ammonia_safe_ph"), ("entered", "tan_time")),
    "white_spot": (("cooling", "white_spot"), ("fall", "salinity_fall")),
}


def _of(kinds: list[AlarmKind], limits: Limits) -> Rules | None:
    groups: dict[str, list[Threshold]] = {}
    for kind in sorted(kinds, key=lambda k: k.priority):
        limit = attrgetter(kind.limit)(limits) if kind.limit else None
        if limit is not None:
            low = kind.side is Side.LOW
            clear = limit + kind.deadband if low else limit - kind.deadband
            groups.setdefault(kind.group, []).append(Threshold(kind, limit, clear, low))
    if not groups:
        return None
    thresholds = [t for found in groups.values() for t in found]
    return Rules(
        quantity=kinds[0].quantity,
        groups={group: tuple(found) for group, found in groups.items()},
        low=max((t.limit for t in thresholds if t.low), default=-math.inf),
        high=min((t.limit for t in thresholds if not t.low), default=math.inf),
    )


@dataclass(frozen=True, slots=True)
class PondRules:
    """The rules of a pond, by quantity and by derived number."""

    quantities: dict[str, Rules]
    derived: dict[str, Rules]


@lru_cache(maxsize=1024)
def rules_of(limits: Limits) -> PondRules:
    """Return the threshold alarms of a pond with these limits."""
    by_name: dict[tuple[bool, str], list[AlarmKind]] = {}
    for kind in ALARM_KINDS.values():
        if kind.limit is not None:
            watched = kind.derived or kind.quantity or ""
            by_name.setdefault((kind.derived is not None, watched), []).append(kind)
    made = {key: _of(kinds, limits) for key, kinds in by_name.items()}
    return PondRules(
        quantities={name: rules for (derived, name), rules in made.items() if rules is not None and not derived},
        derived={name: rules for (derived, name), rules in made.items() if rules is not None and derived},
    )
