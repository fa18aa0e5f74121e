"""Probes as they are: noise, resolution, response time, and the faults that real ones have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from vuong.quantities import QUANTITIES


class FaultKind(StrEnum):
    """How a probe goes wrong; `Fault.size` is in the unit named here."""

    DRIFT = "drift"  # units of the quantity a day
    OFFSET = "offset"  # units of the quantity
    FOULING = "fouling"  # share of the signal lost a day; noise grows with it
    STUCK = "stuck"  # no size: repeats the last value
    SPIKES = "spikes"  # units of the quantity, either way, one reading in twenty
    DROPOUT = "dropout"  # share of the readings that are missing
    NOISE = "noise"  # units of the quantity, standard deviation beside the usual


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one quantity's probe from `start` until before `end`, UTC seconds."""

    kind: FaultKind
    quantity: str
    start: int
    end: int
    size: float = 0.0


# noise (standard deviation) and response time (63 %, s) of usual field probes: Atlas EZO and YSI data sheets, rounded up
_USUAL: Final = {
    "temperature": (0.03, 60.0),
    "do": (0.06, 60.0),
    "ph": (0.015, 30.0),
    "salinity": (0.05, 5.0),
    "conductivity": (0.08, 5.0),
    "turbidity": (1.0, 5.0),
    "depth": (0.003, 1.0),
}


class Probe:
    """A probe of one quantity.

    Parameters
    ----------
    quantity : a row of `vuong.quantities`
    seed : chooses its noise
    faults : of any quantity; others' are ignored
    resolution : smallest step of what it says; by default the quantity's
    """

    def __init__(self, quantity: str, seed: int, faults: Iterable[Fault] = (), resolution: float | None = None) -> None:
        self._row = QUANTITIES[quantity]
        self._noise, self._tau = _USUAL[quantity]
        self._faults = tuple(f for f in faults if f.quantity == quantity)
        self._resolution = self._row.resolution if resolution is None else resolution
        self._random = Random(f"probe/{quantity}/{seed}")
        self._felt: float | None = None
        self._time = 0.0
        self._last: float | None = None

    def read(self, true: Mapping[str, float], time: float) -> float | None:
        """Return what the probe says at `time` (UTC seconds, never going back) of the `true` water; ``None`` when it says nothing."""
        value = true[self._row.name]
        if self._felt is not None:
            value += (self._felt - value) * math.exp(-max(0.0, time - self._time) / self._tau)
        self._felt, self._time = value, time
        noise, chance, kick = self._noise, self._random.random(), self._random.gauss(0.0, 1.0)
        for fault in self._faults:
            if not fault.start <= time < fault.end:
                continue
            if fault.kind is FaultKind.STUCK and self._last is not None:
                return self._last
            if fault.kind is FaultKind.DROPOUT and chance < fault.size:
                return None
            value, noise = _faulty(fault, (time - fault.start) / 86400.0, value, noise, math.copysign(chance < 0.05, kick))
        value += noise * kick
        step = self._resolution
        said = min(max(round(value / step) * step, self._row.low), self._row.high)
        self._last = round(said, 6)
        return self._last


def _faulty(fault: Fault, days: float, value: float, noise: float, spike: float) -> tuple[float, float]:
    """Return value and noise with a fault that has lasted `days`; `spike` is 1 or -1 where there is one."""
    match fault.kind:
        case FaultKind.DRIFT:
            value += fault.size * days
        case FaultKind.OFFSET:
            value += fault.size
        case FaultKind.SPIKES:
            value += fault.size * spike
        case FaultKind.NOISE:
            noise += fault.size
        case FaultKind.FOULING:
            left = math.exp(-fault.size * days)
            value *= left
            noise *= 1.0 + 6.0 * (1.0 - left)
        case _:
            pass
    return value, noise


class Probes:
    """The probes of one node, read together."""

    def __init__(self, quantities: Iterable[str], seed: int, faults: Iterable[Fault] = ()) -> None:
        told = tuple(faults)
        self._probes = {name: Probe(name, seed, told) for name in quantities}

    def read(self, true: Mapping[str, float], time: float) -> dict[str, float]:
        """Return what they say; who says nothing is left out."""
        said = {name: probe.read(true, time) for name, probe in self._probes.items()}
        return {name: value for name, value in said.items() if value is not None}
