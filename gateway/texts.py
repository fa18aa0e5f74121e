"""Reasons and alarms as sentences, in the reader's language."""

from __future__ import annotations

from gateway.observation import Reason
from vuong import reason_text as reasons
from vuong.alarm_text import render
from vuong.contract.batch import AlarmRow
from vuong.i18n import DEFAULT


def reason_text(reason: Reason, quantity: str, language: str = DEFAULT) -> str:
    """Return why a reading of `quantity` was flagged; the reason's key where there is no text for it."""
    return reasons.reason_text(reason.key, reason.numbers, quantity, language) or reason.key


def alarm_text(alarm: AlarmRow, language: str = DEFAULT) -> str:
    """Return what an alarm says in one line; of a probe's fault also why."""
    numbers = alarm["numbers"]
    said = render(alarm["kind"], alarm["quantity"], numbers, raised=alarm["raised"], pond=alarm["pond"], language=language)
    key = numbers.get("reason")
    why = None if key is None else reasons.reason_text(str(key), numbers, alarm["quantity"], language)
    return f"{said.title}: {why}" if why else said.title
