"""Texts, numbers and times as the reader's language writes them."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Any, Final

from vuong import alarm_text, i18n
from vuong.alarms import Priority
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

if TYPE_CHECKING:
    from cloud.alerts.tables import Alarm

# How many decimals help a person; probes store more.
_DIGITS: Final = {"ph": 2, "depth": 2, "turbidity": 0}
_UNKNOWN: Final = "–"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class _Filled(dict[str, str]):
    """Numbers of a text; one that the gateway did not send shows as a dash."""

    def __missing__(self, key: str) -> str:
        return _UNKNOWN


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


def age_text(seconds: float, language: str) -> str:
    """Return how long ago something was: ``vừa xong``, ``5 phút trước``."""
    if seconds < _MINUTE:
        return ui("age.now", language)
    if seconds < _HOUR:
        return ui("age.minutes", language, n=int(seconds // _MINUTE))
    if seconds < 2 * _DAY:
        return ui("age.hours", language, n=int(seconds // _HOUR))
    return ui("age.days", language, n=int(seconds // _DAY))


def moment_text(time: float, now: float) -> str:
    """Return a time as a clock shows it; with its date where that is not today's."""
    today = i18n.moment(time, "%d/%m/%Y") == i18n.moment(now, "%d/%m/%Y")
    return i18n.moment(time) if today else i18n.moment(time, "%H:%M · %d/%m/%Y")


def alarm_words(alarm: Alarm, language: str) -> alarm_text.AlarmText:
    """Return an alarm's texts with its numbers as the reader's language writes them."""
    numbers = alarm.numbers
    if "reason" in numbers:  # the key of a text
        numbers = {**numbers, "reason": reason_text({**numbers, "key": numbers["reason"]}, Flag.FAIL, language)}
    return alarm_text.render(alarm.kind, alarm.quantity, numbers, raised=alarm.raised, pond=alarm.pond.name, language=language)


def _number_text(name: str, number: object, quantity: str | None, language: str) -> str:
    if name == "since" and isinstance(number, int | float):
        return i18n.moment(number)
    if name == "reason":
        return reason_text({"key": number}, Flag.FAIL, language)
    if name == "quantity" and number in QUANTITIES:
        return quantity_text(str(number), language)
    if isinstance(number, int | float):
        return value_text(number, quantity or "", language)
    return str(number)


def reason_text(reason: dict[str, Any], flag: Flag, language: str) -> str:
    """Return why a reading was flagged; where the gateway knows a reason that these catalogues do not, only that it was."""
    fields = _Filled({name: _number_text(name, number, None, language) for name, number in reason.items() if name != "key"})
    for folder in ("cloud", "vuong"):
        try:
            template = i18n.text(f"reason.{reason.get('key')}", language, folder=folder)
        except i18n.MissingTextError:
            continue
        return Formatter().vformat(template, (), fields)
    return ui("reason.fail" if flag is Flag.FAIL else "reason.suspect", language)
