"""Time is handed in, never read in the middle of the code: live, replay, the demo at ×120 and tests run the same code."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock UTC seconds, and waiting measured by it."""

    def now(self) -> float:
        """Return UTC seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` of this clock have passed."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return UTC seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        await asyncio.sleep(max(0.0, seconds))


class ScaledClock:
    """A clock that runs `factor` times as fast since the anchor; all processes of a demo share one anchor.

    Parameters
    ----------
    anchor : real UTC seconds at which the scaled clock showed `start`
    start : scaled UTC seconds at the anchor
    factor : scaled seconds that pass in a real one, > 0
    """

    def __init__(self, *, anchor: float, start: float, factor: float) -> None:
        if factor <= 0:
            raise ValueError(f"clock factor is {factor}; it must be above 0")
        self._anchor, self._start, self.factor = anchor, start, factor

    def now(self) -> float:
        """Return scaled UTC seconds since 1970."""
        return self._start + (time.time() - self._anchor) * self.factor

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of scaled time."""
        await asyncio.sleep(max(0.0, seconds) / self.factor)

    def spec(self) -> str:
        """Return the text from which `parse` makes an equal clock."""
        return f"{self._anchor!r},{self._start!r},{self.factor!r}"


class ManualClock:
    """A clock that stands still until it is set: for replay and tests."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the time last set."""
        return self._now

    def set(self, now: float) -> None:
        """Move to `now`, forwards or backwards."""
        self._now = now

    async def sleep(self, seconds: float) -> None:
        """Move on by `seconds` at once."""
        self._now += seconds
        await asyncio.sleep(0)


def parse(spec: str | None) -> Clock:
    """Return the clock that a ``--clock ANCHOR,START,FACTOR`` option describes; the system clock for ``None``.

    Raises
    ------
    ValueError
        if `spec` is not three numbers
    """
    if spec is None:
        return SystemClock()
    try:
        anchor, start, factor = (float(part) for part in spec.split(","))
    except ValueError:
        raise ValueError(f"clock {spec!r} is not ANCHOR,START,FACTOR (three numbers)") from None
    return ScaledClock(anchor=anchor, start=start, factor=factor)
