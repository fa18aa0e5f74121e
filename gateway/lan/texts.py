"""Texts, numbers and times of the LAN page as the reader's language writes them."""

from __future__ import annotations

from typing import Any, Final

from gateway.alarms.engine import MAINTENANCE
from vuong import i18n
from vuong import reason_text as reasons
from vuong.alarms import ALARM_KINDS
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

# How many decimals help a person; probes store more.
_DIGITS: Final = {"ph": 2, "depth": 2, "turbidity": 0}
_TWO_DAYS: Final = 2 * 24 * 60  # minutes


def ui(key: str, language: str, /, **numbers: object) -> str:
    """Return a text of the page."""
    return i18n.text(f"lan.{key}", language, folder="gateway", **numbers)


def value_text(value: float, quantity: str, language: str) -> str:
    """Return a value as a person reads it, without its unit."""
    return i18n.number(value, _DIGITS.get(quantity, 1), language)


def quantity_text(quantity: str, language: str) -> str:
    """Return the name of a quantity, one that probes measure or one of a test kit."""
    return i18n.text(f"quantity.{quantity}", language) if quantity in QUANTITIES else ui(f"quantity.{quantity}", language)


def duration_text(minutes: float, language: str) -> str:
    """Return for how long something is or was."""
    if minutes < 2 * 60 and minutes % 60:
        return ui("duration.minutes", language, n=int(minutes))
    if minutes < _TWO_DAYS:
        return ui("duration.hours", language, n=int(minutes // 60))
    return ui("duration.days", language, n=int(minutes // (24 * 60)))


def kind_text(kind: str, language: str) -> str:
    """Return an alarm's kind as a heading, without numbers; a kind of a later version by its own name."""
    return ui(f"kind.{kind}", language) if kind in ALARM_KINDS else kind


def suppressor_text(by: str, language: str) -> str:
    """Return what speaks for a suppressed alarm: the alarm of a common cause, or work at the probes; else as it is (a person)."""
    return ui("maintenance", language) if by == MAINTENANCE else kind_text(by, language)


def moment_text(time: float, now: float) -> str:
    """Return a time as a clock shows it; with its date where that is not today's."""
    today = i18n.moment(time, "%d/%m/%Y") == i18n.moment(now, "%d/%m/%Y")
    return i18n.moment(time) if today else i18n.moment(time, "%H:%M · %d/%m")


def reason_text(reason: dict[str, Any], quantity: str, flag: Flag, language: str) -> str:
    """Return why a reading was flagged; where no catalogue has its reason, only that it was."""
    numbers = {name: value for name, value in reason.items() if name != "key"}
    said = reasons.reason_text(str(reason.get("key")), numbers, quantity, language)
    return said or ui("flag.fail" if flag is Flag.FAIL else "flag.suspect", language)


def readable(numbers: dict[str, Any], quantity: str | None, language: str) -> dict[str, Any]:
    """Return an alarm's numbers with the key of its reason replaced by words."""
    if "reason" not in numbers or quantity not in QUANTITIES:
        return numbers
    return {**numbers, "reason": reason_text({**numbers, "key": numbers["reason"]}, quantity, Flag.FAIL, language)}
