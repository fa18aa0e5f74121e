"""Quality flags of IOOS QARTOD; the worst of all tests wins."""

from enum import IntEnum


class Flag(IntEnum):
    """QARTOD's five flags."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


_RANK = {Flag.NOT_EVALUATED: 0, Flag.GOOD: 1, Flag.SUSPECT: 2, Flag.FAIL: 3, Flag.MISSING: 4}


def worst(a: Flag, b: Flag) -> Flag:
    """Return the worse of two flags (missing > fail > suspect > good > not evaluated)."""
    return a if _RANK[a] >= _RANK[b] else b
