"""The table of alarm kinds: one row makes an alarm known to gateway, cloud and pages.

Terms are ISA-18.2's (IEC 62682). Texts are in the catalogue under ``alarm.<kind>.title``, ``.cause`` and ``.advice``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Category(StrEnum):
    """What an alarm is about: a farmer treats water, a technician a probe or the system."""

    WATER = "water"
    PROBE = "probe"
    SYSTEM = "system"


class Priority(IntEnum):
    """How soon somebody must act; lower is sooner."""

    SIREN = 0
    CRITICAL = 1
    WARNING = 2
    NOTICE = 3


# Seconds for which an alarm may be put aside: shrimp die within hours, and somebody must look again before that.
LONGEST_SHELVING: Final[dict[Priority, int]] = {
    Priority.SIREN: 3600,
    Priority.CRITICAL: 3600,
    Priority.WARNING: 24 * 3600,
    Priority.NOTICE: 24 * 3600,
}


class Side(StrEnum):
    """Which limit a threshold alarm watches."""

    LOW = "low"
    HIGH = "high"


class State(StrEnum):
    """ISA-18.2's states of an alarm; ``latched`` and ``latched_acknowledged`` are its E and F: the condition is gone, a reset is wanted."""

    NORMAL = "normal"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    LATCHED = "latched"
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One kind of alarm.

    Attributes
    ----------
    name : identity, also the key of its texts
    quantity, side : watched quantity and side of a threshold alarm; ``side`` is ``None`` where a rule of its own raises it
    deadband : how far back inside the limit the value must come before the alarm clears, in the watched number's unit
    on_delay, off_delay : seconds that the condition must hold, and must be gone
    limit : where the pond's limit stands in `vuong.limits.Limits`, e.g. ``do.low_warning``
    derived : derived number that is watched instead of the quantity itself, e.g. ``salinity_fall``
    group : kinds of one group are degrees of one trouble: only the worst stands, one alarm that grows and wanes in place
    latching : stays after its condition has gone until a person resets it
    """

    name: str
    category: Category
    priority: Priority
    quantity: str | None = None
    side: Side | None = None
    deadband: float = 0.0
    on_delay: int = 0
    off_delay: int = 900
    limit: str | None = None
    derived: str | None = None
    group: str = ""
    latching: bool = False

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.name)


_W, _P, _S = Category.WATER, Category.PROBE, Category.SYSTEM
_SIREN, _CRITICAL, _WARNING = Priority.SIREN, Priority.CRITICAL, Priority.WARNING
_LOW, _HIGH = Side.LOW, Side.HIGH

ALARM_KINDS: Final[dict[str, AlarmKind]] = {
    kind.name: kind
    for kind in (
        AlarmKind("oxygen_lethal", _W, _SIREN, "do", _LOW, 0.3, limit="do_siren", group="oxygen"),
        AlarmKind("oxygen_critical", _W, _CRITICAL, "do", _LOW, 0.3, limit="do.low_critical", group="oxygen"),
        AlarmKind("oxygen_low", _W, _WARNING, "do", _LOW, 0.3, limit="do.low_warning", group="oxygen"),
        AlarmKind("ph_low_critical", _W, _CRITICAL, "ph", _LOW, 0.1, limit="ph.low_critical", group="ph_low"),
        AlarmKind("ph_low", _W, _WARNING, "ph", _LOW, 0.1, 1800, limit="ph.low_warning", group="ph_low"),
        AlarmKind("ph_high", _W, _WARNING, "ph", _HIGH, 0.1, 1800, limit="ph.high_warning", group="ph_high"),
        AlarmKind("ph_high_critical", _W, _CRITICAL, "ph", _HIGH, 0.1, limit="ph.high_critical", group="ph_high"),
        AlarmKind("ph_swing", _W, _WARNING, "ph", _HIGH, 0.1, 3600, 3600, limit="ph_swing", derived="ph_swing"),
        AlarmKind("salinity_low", _W, _CRITICAL, "salinity", _LOW, 0.5, 1800, limit="salinity.low_critical"),
        AlarmKind("salinity_high", _W, _CRITICAL, "salinity", _HIGH, 0.5, 1800, limit="salinity.high_critical"),
        AlarmKind("salinity_rise", _W, _WARNING, "salinity", _HIGH, 0.5, 1800, limit="salinity_rise", derived="salinity_rise"),
        AlarmKind("salinity_fall", _W, _WARNING, "salinity", _HIGH, 0.5, 1800, limit="salinity_fall", derived="salinity_fall"),
        AlarmKind("temperature_low_critical", _W, _CRITICAL, "temperature", _LOW, 0.3, 1800, limit="temperature.low_critical",
                  group="temperature_low"),
        AlarmKind("temperature_low", _W, _WARNING, "temperature", _LOW, 0.3, 1800, limit="temperature.low_warning",
                  group="temperature_low"),
        AlarmKind("temperature_high", _W, _WARNING, "temperature", _HIGH, 0.3, 1800, limit="temperature.high_warning",
                  group="temperature_high"),
        AlarmKind("temperature_high_critical", _W, _CRITICAL, "temperature", _HIGH, 0.3, 1800, limit="temperature.high_critical",
                  group="temperature_high"),
        AlarmKind("ammonia_high", _W, _WARNING, None, _HIGH, 0.01, 1800, limit="ammonia_warning", derived="ammonia", group="ammonia"),
        AlarmKind("ammonia_critical", _W, _CRITICAL, None, _HIGH, 0.03, 1800, limit="ammonia_critical", derived="ammonia",
                  group="ammonia"),
        AlarmKind("white_spot_risk", _W, _WARNING, "temperature", _HIGH, 0.5, 3600, 6 * 3600, limit="white_spot_cooling",
                  derived="white_spot"),
        AlarmKind("probe_fault", _P, _WARNING, on_delay=900),
        AlarmKind("probes_fault", _P, _CRITICAL, on_delay=900),
        AlarmKind("node_offline", _S, _WARNING),
        AlarmKind("nodes_offline", _S, _CRITICAL),
        AlarmKind("aerator_fault", _S, _CRITICAL, on_delay=10, off_delay=0, latching=True),
        AlarmKind("disk_full", _S, _CRITICAL),
        AlarmKind("clock_wrong", _S, _WARNING),
        AlarmKind("database_damaged", _S, _CRITICAL, off_delay=86_400),
    )
}  # fmt: skip

GROUPS: Final[dict[str, tuple[AlarmKind, ...]]] = {
    group: tuple(sorted((k for k in ALARM_KINDS.values() if k.group == group), key=lambda k: k.priority))
    for group in dict.fromkeys(kind.group for kind in ALARM_KINDS.values())
}
"""The kinds of each group, the worst first."""
