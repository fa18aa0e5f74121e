"""What is written in a pond's diary: one table of kinds and their fields. A row adds the kind to the API, the pages and the exports."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a diary entry: a number in `unit` from `low` to `high`, or (without a unit) a text."""

    name: str
    required: bool = True
    unit: str | None = None
    low: float = 0.0
    high: float = 0.0

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.unit is not None

    def fault(self, value: object) -> str | None:
        """Return what is wrong with a value (field, value, remedy), ``None`` where nothing is."""
        if value is None:
            return f"{self.name} is missing; give it" if self.required else None
        if self.numeric:
            right = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if right and self.low <= value <= self.high:  # type: ignore[operator]
                return None
            return f"{self.name} is {value!r:.60}; give {self.low:g} to {self.high:g} {self.unit}"
        if isinstance(value, str) and 0 < len(value.strip()) <= 200 and value.isprintable():
            return None
        return f"{self.name} is {value!r:.60}; give up to 200 letters on one line"


_PRODUCT: Final = Field("product")
KINDS: Final[dict[str, tuple[Field, ...]]] = {
    "feed": (Field("mass", unit="kg", low=0.01, high=100_000), _PRODUCT, Field("lot", required=False)),
    "aeration": (Field("hours", unit="h", low=0.1, high=24), Field("aerators", required=False, unit="×", low=1, high=500)),
    "liming": (Field("mass", unit="kg", low=0.1, high=100_000), _PRODUCT),
    "water_exchange": (Field("share", unit="%", low=0.1, high=100), Field("source", required=False)),
    "treatment": (
        _PRODUCT,
        Field("dose"),
        Field("reason"),
        Field("withdrawal", required=False, unit="d", low=0, high=365),
        Field("lot", required=False),
    ),
    "mortality": (Field("mass", unit="kg", low=0.01, high=100_000), Field("disposal", required=False)),
    "harvest": (
        Field("mass", unit="kg", low=0.1, high=1_000_000),
        Field("size", required=False, unit="/kg", low=5, high=2000),
        Field("buyer", required=False),
    ),
}


def fault(kind: object, content: object) -> str | None:
    """Return what is wrong with an entry (field, value, remedy), ``None`` where nothing is."""
    if not isinstance(kind, str) or kind not in KINDS:
        return f"kind is {kind!r:.60}; give one of {', '.join(KINDS)}"
    if not isinstance(content, dict):
        return f"content is {type(content).__name__}; give an object"
    known = {field.name for field in KINDS[kind]} | {"note"}
    unknown = sorted(set(content) - known)
    if unknown:
        return f"{unknown[0]!r:.60} is not known; known are {', '.join(sorted(known))}"
    fields: tuple[Field, ...] = (*KINDS[kind], Field("note", required=False))
    return next((found for field in fields if (found := field.fault(content.get(field.name)))), None)


def numbers(kind: str, form: dict[str, str]) -> dict[str, Any]:
    """Return a form's fields as an entry's content; a comma is a decimal point, what is no number stays a text and is refused later."""
    content: dict[str, Any] = {}
    for field in (*KINDS.get(kind, ()), Field("note", required=False)):
        if field.name not in form:
            continue
        text = form[field.name]
        try:
            content[field.name] = float(text.replace(",", ".")) if field.numeric else text
        except ValueError:
            content[field.name] = text
    return content
