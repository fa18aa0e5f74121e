"""An alarm in words: what, since when, how sure, likely cause, what to do now. Gateway, app and cloud render by this one module.

An alarm travels as its kind and raw numbers; floats and times are written here, as the reader's language does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

from vuong.alarms import ALARM_KINDS, GROUPS
from vuong.i18n import moment, number, text
from vuong.quantities import QUANTITIES

Numbers = Mapping[str, float | int | str]

# How many decimals help a person; probes store more.
_DIGITS: Final = {"ph": 2, "depth": 2, "turbidity": 0}
_OF_NUMBER: Final = {"ammonia": 2, "safe": 2, "swing": 2, "rate": 1, "current": 1, "needed": 1}
_TIMES: Final = ("since", "reached", "earliest", "entered", "heard", "until")
_WORDS: Final = ("aerator", "reason", "confidence", "file")
_UNKNOWN: Final = "–"
_OXYGEN: Final = GROUPS["oxygen"][0].group


class _Filled(dict[str, str]):
    """Fields of a text; one that was not sent shows as a dash."""

    def __missing__(self, key: str) -> str:
        return _UNKNOWN


@dataclass(frozen=True, slots=True)
class AlarmText:
    """An alarm in one language.

    Attributes
    ----------
    title : what
    message : one sentence that fits a text message: what, its course, what to do now
    since : since when
    confidence : how sure; empty where the gateway did not say
    cause, advice : likely cause; what to do, in the order of doing
    """

    title: str
    message: str
    since: str
    confidence: str
    cause: str
    advice: str


def written(name: str, value: object, quantity: str | None, language: str) -> str:
    """Return one number of an alarm as a person of that language writes it.

    Parameters
    ----------
    name : of the number, e.g. ``reached`` (a time), ``value``
    value : raw
    quantity : that the alarm is about; it tells how many decimals help
    """
    if isinstance(value, str) or name in _WORDS:
        return text(f"quantity.{value}", language) if name == "quantity" and value in QUANTITIES else str(value)
    if not isinstance(value, int | float):
        return _UNKNOWN
    if name in _TIMES:
        return moment(value)
    if isinstance(value, int) and name not in {"value", "limit"}:
        return str(value)
    digits = _OF_NUMBER.get(name, _DIGITS.get(quantity or "", 1 if quantity else 2))
    return number(value, digits, language)


def render(kind: str, quantity: str | None, numbers: Numbers, *, raised: int, pond: str, language: str) -> AlarmText:
    """Return the texts of an alarm.

    Parameters
    ----------
    kind, quantity, numbers, raised : as in `vuong.contract.batch.AlarmRow`
    pond : the pond's name
    language : one of `vuong.i18n.LANGUAGES`
    """
    fields = _Filled(pond=pond, since=moment(raised))
    if quantity in QUANTITIES:
        fields["quantity"] = text(f"quantity.{quantity}", language)
        fields["unit"] = "" if quantity == "ph" else QUANTITIES[quantity].unit
    for name, value in numbers.items():
        fields[name] = written(name, value, quantity, language)

    def said(key: str) -> str:
        return Formatter().vformat(text(key, language), (), fields)

    confidence = numbers.get("confidence")
    title, since, advice = said(f"alarm.{kind}.title"), said("message.since"), said(f"alarm.{kind}.advice")
    if ALARM_KINDS[kind].group == _OXYGEN:
        message = "; ".join(_course(numbers, said, language))
        advice = f"{message}. {advice}"
    else:
        message = f"{title}; {since}. {advice}"
    return AlarmText(
        title=title,
        message=text("message.pond", language, pond=pond, message=message),
        since=since,
        confidence=text(f"confidence.{confidence}", language) if confidence in {"high", "medium", "low"} else "",
        cause=said(f"alarm.{kind}.cause"),
        advice=advice,
    )


def _course(numbers: Numbers, said: Callable[[str], str], language: str) -> Iterator[str]:
    """Yield the parts of an oxygen alarm's sentence: value and rate, when it reaches the next limit, aerators to start."""
    yield said("message.do_falling" if "rate" in numbers else "message.do")
    if "reached" in numbers:
        yield said("message.do_reaches")
    count = numbers.get("aerators")
    if not count:
        yield text("message.start_more", language)
    elif count == 1:
        yield text("message.start_one", language)
    else:
        yield text("message.start", language, count=count)
