"""QARTOD test 2, syntax: a reading is a finite number of a known quantity, and was not taken in the future."""

from __future__ import annotations

from math import isfinite
from typing import Final

from vuong.flags import Flag
from vuong.quantities import QUANTITIES

AHEAD: Final = 3600  # seconds by which a node's clock may be ahead of the gateway's


def check(quantity: str, value: object, time: int, arrived: int) -> Flag:
    """Return fail for what is no reading, missing for NaN, good otherwise.

    Parameters
    ----------
    quantity : name in the table of quantities
    value : what was sent
    time, arrived : UTC seconds of the sample and of its arrival
    """
    if quantity not in QUANTITIES or not isinstance(value, int | float) or isinstance(value, bool):
        return Flag.FAIL
    if not isfinite(value):
        return Flag.MISSING if value != value else Flag.FAIL  # noqa: PLR0124 - NaN
    return Flag.FAIL if time > arrived + AHEAD else Flag.GOOD
