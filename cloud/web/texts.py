"""Texts, numbers and times as the reader's language writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from vuong import alarm_text, i18n
from vuong import reason_text as reasons
from vuong.alarms import Priority
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

if TYPE_CHECKING:
    from cloud.alerts.tables import Alarm

# How many decimals help a person; probes store more.
_DIGITS: Final = {"ph": 2, "depth": 2, "turbidity": 0}


def ui(key: str, language: str, /, **numbers: object) -> str:
    """Return a text of the pages."""
    return i18n.text(key, language, folder="cloud", **numbers)


def value_text(value: float, quantity: str, language: str) -> str:
    """Return a value as a person reads it, without its unit."""
    return i18n.number(value, _DIGITS.get(quantity, 1), language)


def unit_text(quantity: str) -> str:
    """Return the unit that stands beside a value; pH has none."""
    return "" if quantity == "ph" else QUANTITIES[quantity].unit


def quantity_text(quantity: str, language: str) -> str:
    """Return a quantity's name."""
    return i18n.text(f"quantity.{quantity}", language)


def state_text(state: str, language: str) -> str:
    """Return the word for a pond's state: that of the most urgent alarm's priority, or one of our own."""
    if state.upper() in Priority.__members__:
        return i18n.text(f"priority.{state}", language)
    return ui(f"state.{state}", language)


def moment_text(time: float, now: float) -> str:
    """Return a time as a clock shows it; with its date where that is not today's."""
    today = i18n.moment(time, "%d/%m/%Y") == i18n.moment(now, "%d/%m/%Y")
    return i18n.moment(time) if today else i18n.moment(time, "%H:%M · %d/%m/%Y")


def alarm_words(alarm: Alarm, language: str) -> alarm_text.AlarmText:
    """Return an alarm's texts with its numbers as the reader's language writes them."""
    numbers = alarm.numbers
    if "reason" in numbers:  # the key of a text
        numbers = {**numbers, "reason": reason_text({**numbers, "key": numbers["reason"]}, alarm.quantity, Flag.FAIL, language)}
    return alarm_text.render(alarm.kind, alarm.quantity, numbers, raised=alarm.raised, pond=alarm.pond.name, language=language)


def reason_text(reason: dict[str, Any], quantity: str | None, flag: Flag, language: str) -> str:
    """Return why a reading was flagged; where the gateway knows a reason that this version does not, only that it was."""
    numbers = {name: value for name, value in reason.items() if name != "key"}
    said = reasons.reason_text(str(reason.get("key")), numbers, quantity, language)
    if said is not None:
        return said
    return ui("reason.fail" if flag is Flag.FAIL else "reason.suspect", language)
