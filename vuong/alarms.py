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


class Side(StrEnum):
    """Which limit a threshold alarm watches."""

    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One kind of alarm.

    Attributes
    ----------
    name : identity, also the key of its texts
    quantity, side : watched quantity and side of a threshold alarm; ``None`` where a rule of its own raises it
    deadband : how far back inside the limit the value must come before the alarm clears, in the quantity's unit
    on_delay, off_delay : seconds that the condition must hold, and must be gone
    """

    name: str
    category: Category
    priority: Priority
    quantity: str | None = None
    side: Side | None = None
    deadband: float = 0.0
    on_delay: int = 0
    off_delay: int = 900


ALARM_KINDS: Final[dict[str, AlarmKind]] = {
    kind.name: kind
    for kind in (
        AlarmKind("oxygen_lethal", Category.WATER, Priority.SIREN, "do", Side.LOW, 0.3),
        AlarmKind("oxygen_critical", Category.WATER, Priority.CRITICAL, "do", Side.LOW, 0.3),
        AlarmKind("oxygen_low", Category.WATER, Priority.WARNING, "do", Side.LOW, 0.3),
        AlarmKind("ph_low_critical", Category.WATER, Priority.CRITICAL, "ph", Side.LOW, 0.1),
        AlarmKind("ph_low", Category.WATER, Priority.WARNING, "ph", Side.LOW, 0.1, 1800),
        AlarmKind("ph_high", Category.WATER, Priority.WARNING, "ph", Side.HIGH, 0.1, 1800),
        AlarmKind("ph_high_critical", Category.WATER, Priority.CRITICAL, "ph", Side.HIGH, 0.1),
        AlarmKind("salinity_low", Category.WATER, Priority.CRITICAL, "salinity", Side.LOW, 0.5, 1800),
        AlarmKind("salinity_high", Category.WATER, Priority.CRITICAL, "salinity", Side.HIGH, 0.5, 1800),
        AlarmKind("temperature_low_critical", Category.WATER, Priority.CRITICAL, "temperature", Side.LOW, 0.3, 1800),
        AlarmKind("temperature_low", Category.WATER, Priority.WARNING, "temperature", Side.LOW, 0.3, 1800),
        AlarmKind("temperature_high", Category.WATER, Priority.WARNING, "temperature", Side.HIGH, 0.3, 1800),
        AlarmKind("temperature_high_critical", Category.WATER, Priority.CRITICAL, "temperature", Side.HIGH, 0.3, 1800),
        AlarmKind("salinity_rise", Category.WATER, Priority.WARNING, "salinity", None, 0.5, 1800),
        AlarmKind("probe_fault", Category.PROBE, Priority.WARNING, on_delay=900),
        AlarmKind("node_offline", Category.SYSTEM, Priority.WARNING),
    )
}
