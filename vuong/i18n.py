"""Texts for people, out of gettext catalogues: Vietnamese first, English and Khmer beside it.

Each top-level folder has a catalogue of its own name: ``<folder>/locale/<language>/LC_MESSAGES/<folder>.po``. Message ids are keys
(``alarm.oxygen_low.title``), so that no language is the source of the others; placeholders are ``str.format`` fields.
"""

from __future__ import annotations

import gettext
import os
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("vi", "en", "km")
DEFAULT: Final = "vi"
# Vietnam keeps UTC+7 without daylight saving.
VIETNAM: Final = timezone(timedelta(hours=7), "ICT")


class MissingTextError(KeyError):
    """A key has no text in the catalogue."""


@cache
def _catalogue(folder: str, language: str) -> gettext.NullTranslations:
    base = resources.files(folder) / "locale"
    return gettext.translation(folder, localedir=str(base), languages=[language])


def text(key: str, language: str = DEFAULT, /, *, folder: str = "vuong", **numbers: object) -> str:
    """Return the text of `key` with its placeholders filled.

    Parameters
    ----------
    key : message id
    language : one of `LANGUAGES`; another one falls back to Vietnamese
    folder : top-level folder whose catalogue holds the key
    numbers : values of the placeholders; floats and times must be formatted already (`number`, `moment`)

    Raises
    ------
    MissingTextError
        if no catalogue has the key: a mistake of ours, found by the tests
    """
    chosen = language if language in LANGUAGES else DEFAULT
    found = _catalogue(folder, chosen).gettext(key)
    if found == key:
        raise MissingTextError(f"no text for {key!r} in {folder}/locale/{chosen}")
    return found.format(**numbers) if numbers else found


def terminal_language() -> str:
    """Return the language of whoever sits at this terminal: ``VUONG_LANG``, else the locale's, else Vietnamese."""
    for name in ("VUONG_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        chosen = os.environ.get(name, "")[:2].lower()
        if chosen in LANGUAGES:
            return chosen
    return DEFAULT


def number(value: float, digits: int = 1, language: str = DEFAULT) -> str:
    """Return a number as people of that language write it: ``1.234,5`` in Vietnamese and Khmer, ``1,234.5`` in English."""
    plain = f"{value:,.{digits}f}"
    return plain if language == "en" else plain.translate(str.maketrans(",.", ".,"))


def moment(time: float, form: str = "%H:%M", zone: timezone = VIETNAM) -> str:
    """Return UTC seconds as local time: ``03:40``; with ``%H:%M %d/%m/%Y``, ``03:40 20/11/2026``."""
    return datetime.fromtimestamp(time, zone).strftime(form)


def age(seconds: float, language: str = DEFAULT) -> str:
    """Return how long ago something was: ``vừa xong``, ``5 phút trước``."""
    for name, unit, before in (("now", 1, 60), ("minutes", 60, 3600), ("hours", 3600, 2 * 86_400)):
        if seconds < before:
            return text(f"age.{name}", language, n=int(seconds // unit))
    return text("age.days", language, n=int(seconds // 86_400))
