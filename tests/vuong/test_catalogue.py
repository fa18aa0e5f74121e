"""The shared catalogue: every key in every language, the same placeholders in each, in NFC; numbers and moments as people write them."""

from __future__ import annotations

import string
import unicodedata
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from vuong.alarms import ALARM_KINDS, Category, Priority, State
from vuong.flags import Flag
from vuong.i18n import LANGUAGES, MissingTextError, age, moment, number, text
from vuong.limits import SPECIES
from vuong.quantities import QUANTITIES

FOLDER = Path(__file__).resolve().parents[2] / "vuong" / "locale"
ALLOWED = {
    "value", "limit", "unit", "since", "quantity", "pond", "swing", "change", "ammonia", "safe", "entered", "cooling", "fall", "count", "total",
    "aerator", "current", "needed", "free", "removed", "offset", "saved", "lost", "file",
}  # fmt: skip
MESSAGES = ("do", "do_falling", "do_reaches", "start", "start_one", "start_more", "since", "pond")


def catalogue(language: str) -> dict[str, str]:
    with (FOLDER / language / "LC_MESSAGES" / "vuong.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file) if m.id}


def placeholders(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


WANTED = {
    *(f"alarm.{kind}.{part}" for kind in ALARM_KINDS for part in ("title", "cause", "advice")),
    *(f"quantity.{name}" for name in QUANTITIES),
    *(f"priority.{p.name.lower()}" for p in Priority),
    *(f"category.{c.value}" for c in Category),
    *(f"state.{s}" for s in State),
    *(f"message.{m}" for m in MESSAGES),
    *(f"confidence.{c}" for c in ("high", "medium", "low")),
    *(f"flag.{f.value}" for f in Flag),
    *(f"species.{s}" for s in SPECIES),
    *(f"age.{unit}" for unit in ("now", "minutes", "hours", "days")),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_row_of_every_table_has_its_texts(language: str) -> None:
    texts = catalogue(language)
    assert {key for key in WANTED if not texts.get(key)} == set()
    stale = {key for key in texts if key not in WANTED and not key.startswith(("problem.", "reason."))}
    assert stale == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages_have_the_same_keys_and_placeholders(language: str) -> None:
    ours, vietnamese = catalogue(language), catalogue("vi")
    assert ours.keys() == vietnamese.keys()
    assert {key for key in ours if placeholders(ours[key]) != placeholders(vietnamese[key])} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_nfc(language: str) -> None:
    assert {key for key, message in catalogue(language).items() if not unicodedata.is_normalized("NFC", message)} == set()


def test_alarm_texts_use_what_the_gateway_gives_and_threshold_titles_show_value_and_limit() -> None:
    texts = catalogue("vi")
    for kind in ALARM_KINDS.values():
        for part in ("title", "cause", "advice"):
            assert placeholders(texts[f"alarm.{kind.name}.{part}"]) <= ALLOWED
        if kind.side is not None and kind.derived is None:
            assert {"value", "limit"} <= placeholders(texts[f"alarm.{kind.name}.title"])


def test_text_fills_placeholders_and_falls_back_to_vietnamese() -> None:
    numbers = {"value": "3,4", "limit": "4,0", "unit": "mg/L"}
    assert text("alarm.oxygen_low.title", **numbers) == "Oxy đang thấp: 3,4 mg/L (giới hạn 4,0)"
    assert text("alarm.oxygen_low.title", "xx", **numbers) == text("alarm.oxygen_low.title", "vi", **numbers)
    assert text("alarm.oxygen_low.title", "en", **numbers).startswith("Oxygen is low: 3,4")


def test_a_missing_text_is_our_mistake() -> None:
    with pytest.raises(MissingTextError, match=r"no\.such\.key"):
        text("no.such.key")


@pytest.mark.parametrize(
    ("value", "digits", "language", "written"),
    [
        (1234.5, 1, "vi", "1.234,5"),
        (1234.5, 1, "km", "1.234,5"),
        (1234.5, 1, "en", "1,234.5"),
        (-0.04, 1, "vi", "-0,0"),
        (7, 0, "vi", "7"),
    ],
)
def test_numbers(value: float, digits: int, language: str, written: str) -> None:
    assert number(value, digits, language) == written


def test_moments_are_vietnams() -> None:
    assert moment(1_795_121_999) == "03:59"
    assert moment(1_795_121_999, "%H:%M %d/%m/%Y") == "03:59 20/11/2026"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "vừa xong"),
        (59.9, "vừa xong"),
        (60, "1 phút trước"),
        (7199, "1 giờ trước"),
        (172_799, "47 giờ trước"),
        (172_800, "2 ngày trước"),
    ],
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert age(seconds) == said
    assert all(age(seconds, language) for language in LANGUAGES)
