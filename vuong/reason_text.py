"""Why a reading was flagged, in words: gateway, app and cloud say it by this one module."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Final

from vuong.i18n import DEFAULT, MissingTextError, moment, number, text
from vuong.quantities import QUANTITIES

_UNKNOWN: Final = "–"
_TIMES: Final = ("since", "until")


class _Filled(dict[str, str]):
    """Fields of a text; one that was not sent shows as a dash."""

    def __missing__(self, key: str) -> str:
        return _UNKNOWN


def _written(name: str, value: object, digits: int, language: str) -> str:
    if name in _TIMES and isinstance(value, int | float):
        return moment(value)
    if isinstance(value, float):
        return number(value, digits, language)
    if value in QUANTITIES:
        return text(f"quantity.{value}", language)
    return str(value)


def reason_text(key: str, numbers: Mapping[str, object], quantity: str | None, language: str = DEFAULT) -> str | None:
    """Return why a reading of `quantity` was flagged; ``None`` for a reason that this version has no text for.

    Parameters
    ----------
    key : of the reason, as the stage that flagged names it, e.g. ``quality.spike``
    numbers : fill the text; floats are written with the quantity's digits, and ``{unit}`` is its unit
    """
    row = QUANTITIES.get(quantity or "")
    fields = _Filled(unit=row.unit if row else "")
    fields.update({name: _written(name, value, row.digits if row else 2, language) for name, value in numbers.items()})
    try:
        return Formatter().vformat(text(f"reason.{key}", language), (), fields)
    except MissingTextError:
        return None
