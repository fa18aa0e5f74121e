"""Reasons and alarms as sentences, in the reader's language."""

from __future__ import annotations

from gateway.observation import Numbers, Reason
from vuong.alarm_text import render
from vuong.contract.batch import AlarmRow
from vuong.i18n import DEFAULT, number, text
from vuong.quantities import QUANTITIES


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
    """Return what an alarm says in one line; of a probe's fault also why."""
    numbers = alarm["numbers"]
    said = render(alarm["kind"], alarm["quantity"], numbers, raised=alarm["raised"], pond=alarm["pond"], language=language)
    reason = numbers.get("reason")
    if reason is None:
        return said.title
    why = text(str(reason), language, folder="gateway", **_formatted(numbers, alarm["quantity"], language))
    return f"{said.title}: {why}"
