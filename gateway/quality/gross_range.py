"""QARTOD test 4, gross range: a value outside the physical range was not measured in water."""

from __future__ import annotations

from typing import Final

from vuong.flags import Flag
from vuong.quantities import QUANTITIES

Span = tuple[float, float]

RANGES: Final[dict[str, Span]] = {q.name: (q.low, q.high) for q in QUANTITIES.values()}


def check(value: float, fail: Span, suspect: Span | None = None) -> Flag:
    """Return fail outside the `fail` span, suspect outside the `suspect` span, good inside; the ends belong to a span."""
    if not fail[0] <= value <= fail[1]:
        return Flag.FAIL
    if suspect is not None and not suspect[0] <= value <= suspect[1]:
        return Flag.SUSPECT
    return Flag.GOOD
