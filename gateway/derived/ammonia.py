"""Un-ionised ammonia out of a total ammonia that somebody measured by hand, followed with the pond's own pH, temperature and salinity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from gateway.observation import Observation
from vuong.flags import Flag
from vuong.water import ammonia

TOTAL_AMMONIA: Final = "tan"
# A test kit's total ammonia is taken for true so long: feeding and bottom change it within days.
VALID: Final = 2 * 86_400
_NEEDED: Final = ("ph", "temperature", "salinity")


@dataclass(frozen=True, slots=True)
class HandReading:
    """A value that a person measured by hand and entered.

    Attributes
    ----------
    pond : id of the pond
    quantity : name, e.g. ``tan``: total ammonia nitrogen, mg/L
    time : UTC seconds at which it was measured
    value : in the quantity's unit
    operator : who measured it
    """

    pond: str
    quantity: str
    time: int
    value: float
    operator: str = ""


class Ammonia:
    """Adds ``ammonia`` (mg/L as NH3), ``ammonia_safe_ph`` (the pH at which it reaches the warning) and ``tan_time`` to the derived numbers.

    pH, temperature and salinity may come in different samples; each is taken as last measured, at most an hour ago.
    """

    def __init__(self) -> None:
        self._entered: dict[str, HandReading] = {}
        self._water: dict[str, dict[str, tuple[int, float]]] = {}

    def enter(self, reading: HandReading) -> None:
        """Take a hand reading in; the newest of a pond counts, whatever the order in which they come. Others than total ammonia are passed by."""
        if reading.quantity != TOTAL_AMMONIA:
            return
        known = self._entered.get(reading.pond)
        if known is None or (known.time, known.value) < (reading.time, reading.value):
            self._entered[reading.pond] = reading

    def update(self, observation: Observation) -> None:
        """Work the ammonia out where total ammonia is known."""
        entered = self._entered.get(observation.pond.id)
        if entered is None:
            return
        sample = observation.sample
        if not 0 <= sample.time - entered.time <= VALID or observation.maintenance:
            return
        water = self._water.setdefault(sample.node, {})
        for name in _NEEDED:
            value = sample.values.get(name)
            if value is not None and observation.assessments[name].flag is not Flag.FAIL:
                water[name] = (sample.time, value)
        if any(name not in water or sample.time - water[name][0] > 3600 for name in _NEEDED):
            return
        ph, temperature, salinity = (water[name][1] for name in _NEEDED)
        total = entered.value * ammonia.NH3_PER_N
        try:
            found = total * ammonia.fraction(ph, temperature, salinity)
            safe = ammonia.safe_ph(total, observation.pond.limits.ammonia_warning, temperature, salinity)
        except ValueError:
            return  # water that the formula was not made for: too hot, too salty
        derived = observation.derived
        derived["ammonia"], derived["tan_time"] = found, entered.time
        if safe is not None:
            derived["ammonia_safe_ph"] = safe

    def snapshot(self, node: str) -> bytes:
        """Return the last water of a node; hand readings come from their own table."""
        water = self._water.get(node)
        return json.dumps(water).encode() if water else b""

    def restore(self, node: str, state: bytes) -> None:
        """Take back the water of a node."""
        if state:
            self._water[node] = {name: (time, value) for name, (time, value) in json.loads(state).items()}
