"""When the condition of an alarm holds: thresholds of a pond, rise of salinity, failed probe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from vuong.alarms import ALARM_KINDS, AlarmKind, Priority, Side
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
    """All threshold alarms of one quantity in one pond; while `low` <= value <= `high` none of their conditions holds."""

    thresholds: tuple[Threshold, ...]
    low: float
    high: float


PROBE_FAULT: Final = ALARM_KINDS["probe_fault"]
SALINITY_RISE: Final = ALARM_KINDS["salinity_rise"]
NODE_OFFLINE: Final = ALARM_KINDS["node_offline"]


def _limit(kind: AlarmKind, limits: Limits) -> float | None:
    if kind.priority is Priority.SIREN:
        return limits.do_siren
    band = limits.band(kind.quantity or "")
    if band is None:
        return None
    if kind.priority is Priority.CRITICAL:
        return band.low_critical if kind.side is Side.LOW else band.high_critical
    return band.low_warning if kind.side is Side.LOW else band.high_warning


@lru_cache(maxsize=1024)
def rules_of(limits: Limits) -> dict[str, Rules]:
    """Return the threshold alarms of a pond with these limits, by quantity."""
    found: dict[str, list[Threshold]] = {}
    for kind in ALARM_KINDS.values():
        limit = _limit(kind, limits) if kind.quantity and kind.side else None
        if kind.quantity and limit is not None:
            low = kind.side is Side.LOW
            clear = limit + kind.deadband if low else limit - kind.deadband
            found.setdefault(kind.quantity, []).append(Threshold(kind, limit, clear, low))
    return {
        quantity: Rules(
            thresholds=tuple(thresholds),
            low=max((t.limit for t in thresholds if t.low), default=float("-inf")),
            high=min((t.limit for t in thresholds if not t.low), default=float("inf")),
        )
        for quantity, thresholds in found.items()
    }


def salinity_rise(rise: float, limits: Limits) -> Condition:
    """Return where a rise of salinity within 24 h stands against the pond's limit."""
    if rise > limits.salinity_rise:
        return Condition.BEYOND
    return Condition.INSIDE if rise <= limits.salinity_rise - SALINITY_RISE.deadband else Condition.BETWEEN
