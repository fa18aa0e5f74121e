"""What was wrong with a part of something that was otherwise read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from vuong.i18n import text


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as plain data; ``str`` tells it in English, `vuong.i18n.text` in any language.

    Attributes
    ----------
    key : text in the catalogue of `vuong`
    numbers : values of its placeholders: field, value, and what a remedy needs
    """

    key: str
    numbers: dict[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        return text(self.key, "en", **cast("dict[str, Any]", self.numbers))
