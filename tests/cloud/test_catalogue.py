"""The pages' texts: the same keys and placeholders in every language, and every key that is used."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

import cloud
from vuong.i18n import LANGUAGES

ROOT = Path(cloud.__file__).parent


def catalogue(language: str) -> dict[str, str]:
    with (ROOT / "locale" / language / "LC_MESSAGES" / "cloud.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_and_placeholders_agree(language: str) -> None:
    vietnamese, other = catalogue("vi"), catalogue(language)
    assert other.keys() == vietnamese.keys()
    assert all(other.values())
    assert {key: fields(text) for key, text in other.items()} == {key: fields(text) for key, text in vietnamese.items()}


def test_every_key_that_is_used_is_there() -> None:
    used = set()
    for source in [*ROOT.rglob("*.html"), *ROOT.rglob("*.py")]:
        used |= set(re.findall(r"""\b(?:t|ui|again)\(\s*["']([a-z_]+\.[a-z0-9_]+)["']""", source.read_text(encoding="utf-8")))
    assert len(used) > 40
    assert used <= catalogue("vi").keys()


def test_khmer_says_that_it_is_a_draft() -> None:
    assert "Draft" in (ROOT / "locale/km/LC_MESSAGES/cloud.po").read_text(encoding="utf-8").splitlines()[0]
