"""Reasons and alarms as sentences, in the reader's language."""

from __future__ import annotations

from typing import Final

from gateway.observation import Numbers, Reason
from vuong.alarms import ALARM_KINDS, Side
from vuong.contract.batch import AlarmRow
from vuong.i18n import DEFAULT, number, text
from vuong.quantities import QUANTITIES

_SIDES: Final = {Side.LOW: "alarm.low", Side.HIGH: "alarm.high"}


def _formatted(numbers: Numbers, quantity: str | None, language: str) -> dict[str, str]:
    row = QUANTITIES.get(quantity) if quantity else None
    digits = row.digits if row else 2
    found = {"unit": row.unit if row else ""}
    for name, value in numbers.items():
        found[name] = number(value, digits, language) if isinstance(value, float) else str(value)
    return found


def reason_text(reason: Reason, quantity: str, language: str = DEFAULT) -> str:
    """Return why a reading of `quantity` was flagged; floats are written with the quantity's digits, ``{unit}`` is its unit."""
    return text(reason.key, language, folder="gateway", **_formatted(reason.numbers, quantity, language))


def alarm_text(alarm: AlarmRow, language: str = DEFAULT) -> str:
    """Return why an alarm was raised."""
    kind, quantity = ALARM_KINDS[alarm["kind"]], alarm["quantity"]
    values = _formatted(alarm["numbers"], quantity, language)
    if "reason" in values:
        values["reason"] = text(values["reason"], language, folder="gateway", **values)
    key = _SIDES[kind.side] if kind.side is not None else f"alarm.{kind.name}"
    return text(key, language, folder="gateway", **values)
