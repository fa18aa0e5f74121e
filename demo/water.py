"""The driver boundary of the demo's nodes: water that the pond model makes or that was recorded, and probes that stand in it."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final, Protocol

from demo.story import Event, NodeSpec
from firmware.probes import DISCONNECTED, NO_ANSWER, OK
from models.pond import Pond, Probes, Scenario, scenario, shrimp_pond
from vuong.clock import Clock
from vuong.quantities import QUANTITIES
from vuong.series import Series

_WEEK: Final = 7 * 86400
_TOGETHER: Final = 30.0  # seconds within which probes belong to one sample
# µmol/L, 150 mg/L CaCO3: limed well, so that pH swings by less than a warning's half a day and what the story tells stands out
_ALKALINITY: Final = 3000.0
_FOULING: Final = 12.0  # share of the signal that the story's probe loses a day: weeks of growth in a night, so that it is seen


class Water(Protocol):
    """What a pond's probes stand in."""

    quantities: tuple[str, ...]

    def at(self, time: float) -> dict[str, float]:
        """Return what probes read at UTC seconds `time`, which never goes back."""


class PondProbe:
    """A probe of one quantity; the demo's only fake, at the boundary where a board has its drivers."""

    def __init__(self, quantity: str, water: Water, clock: Clock) -> None:
        self.quantity = quantity
        self._water, self._clock = water, clock
        self.connected = True

    async def read(self, water: dict[str, float]) -> tuple[float | None, str, str]:
        """Return ``(value, unit, status)``."""
        del water  # the pond model's probes compensate for themselves
        unit = QUANTITIES[self.quantity].unit
        if not self.connected:
            return None, unit, DISCONNECTED
        value = self._water.at(self._clock.now()).get(self.quantity)
        return value, unit, OK if value is not None else NO_ANSWER


def probes(water: Water, clock: Clock) -> list[PondProbe]:
    """Return a probe for each quantity of the water."""
    return [PondProbe(quantity, water, clock) for quantity in water.quantities]


class RecordedWater:
    """A recorded series, played from some row on, over and over.

    Attributes
    ----------
    interval : seconds between the series' rows
    """

    def __init__(self, times: list[int], rows: list[dict[str, float]], begin: float, offset: int) -> None:
        self._times, self._rows, self._begin, self._offset = times, rows, begin, offset
        self.interval = round(median(b - a for a, b in pairwise(times))) if len(times) > 1 else 900
        self._span = times[-1] - times[0] + self.interval
        self.quantities = tuple(name for name in QUANTITIES if any(name in row for row in rows))

    def starting_at(self, number: int) -> RecordedWater:
        """Return the same series for another pond: each starts a week later than the one before."""
        return RecordedWater(self._times, self._rows, self._begin, number * _WEEK)

    def at(self, time: float) -> dict[str, float]:
        """Return the row that was recorded closest before the moment that `time` stands for."""
        moment = self._times[0] + (time - self._begin + self._offset) % self._span
        return self._rows[min(bisect_left(self._times, moment), len(self._rows) - 1)]


def recorded(path: Path, begin: float) -> RecordedWater:
    """Return the water of a recorded series; rows that cannot be read are left out.

    Raises
    ------
    ValueError
        if there is no row at all
    """
    with Series(path, lambda _: None) as series:
        rows = list(series)
    if not rows:
        raise ValueError(f"{path} has no row that can be read")
    return RecordedWater([time for time, _ in rows], [values for _, values in rows], begin, 0)


class SimulatedWater:
    """A pond of the process model, with probes that have the faults of the story."""

    quantities: tuple[str, ...] = ("temperature", "do", "ph", "salinity")

    def __init__(self, number: int, start: int, told: Scenario) -> None:
        self._pond = Pond(number, start, replace(shrimp_pond(), alkalinity=_ALKALINITY), told, weather_seed=0)
        self._probes = Probes(self.quantities, number, told.faults)
        self._time = -math.inf
        self._said: dict[str, float] = {}

    def at(self, time: float) -> dict[str, float]:
        """Return what the probes say; those of one sample are read together."""
        if time - self._time >= _TOGETHER:
            self._said = self._probes.read(self._pond.step_to(time), time)
            self._time = time
        return self._said


def simulated(spec: NodeSpec, start: int, events: Sequence[Event]) -> SimulatedWater:
    """Return the water of one pond, to which the told events happen."""
    return SimulatedWater(spec.number, start, _scenario(events))


def _scenario(events: Sequence[Event]) -> Scenario:
    for event in events:
        match event.kind:
            case "crash":
                return scenario.oxygen_crash(event.time)
            case "salt":
                return scenario.salt_intrusion(event.time)
            case "fouled":
                return scenario.fouled_probe(event.time, a_day=_FOULING)
            case "offline":
                continue  # the water knows nothing of it
    return scenario.USUAL
