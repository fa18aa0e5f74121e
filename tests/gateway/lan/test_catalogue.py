"""The page's texts: every key that is used is there, in every language, with the same placeholders."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

import gateway
from gateway.lan.pages import _HAND_FIRST
from vuong.contract.api import HAND_QUANTITIES
from vuong.i18n import LANGUAGES
from vuong.quantities import QUANTITIES

ROOT = Path(gateway.__file__).parent


def catalogue(language: str) -> dict[str, str]:
    with (ROOT / "locale" / language / "LC_MESSAGES" / "gateway.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in read_po(file) if str(m.id).startswith("lan.")}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_keys_and_placeholders_agree(language: str) -> None:
    vietnamese, other = catalogue("vi"), catalogue(language)
    assert other.keys() == vietnamese.keys()
    assert all(other.values())
    assert {key: fields(text) for key, text in other.items()} == {key: fields(text) for key, text in vietnamese.items()}
    assert [key for key, text in other.items() if not unicodedata.is_normalized("NFC", text)] == []


def test_every_key_that_is_used_is_there() -> None:
    used = {f"quantity.{name}" for name in HAND_QUANTITIES if name not in QUANTITIES}
    for source in [*(ROOT / "lan").rglob("*.html"), *(ROOT / "lan").rglob("*.py")]:
        text = source.read_text(encoding="utf-8")
        used |= set(re.findall(r"""\b(?:t|ui)\(\s*["']([a-z_]+(?:\.[a-z0-9_]+)*)["'][,)]""", text))
        used |= set(re.findall(r"""["'](fault\.[a-z_]+)["']""", text))
    assert len(used) > 40
    assert {f"lan.{key}" for key in used} <= catalogue("vi").keys()
    assert set(_HAND_FIRST) <= HAND_QUANTITIES.keys()
