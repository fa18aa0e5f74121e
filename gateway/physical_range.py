"""The first stage: a value outside the physical range was not measured in water."""

from __future__ import annotations

from typing import Final

from gateway.observation import Assessment, Observation, Reason
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

RANGES: Final[dict[str, tuple[float, float]]] = {q.name: (q.low, q.high) for q in QUANTITIES.values()}


class PhysicalRange:
    """Gives every reading its assessment: fail outside the quantity's physical range, good inside."""

    def update(self, observation: Observation) -> None:
        """Judge all readings of a sample."""
        assessments = observation.assessments
        for name, value in observation.sample.values.items():
            low, high = RANGES[name]
            if low <= value <= high:
                assessments[name] = Assessment(Flag.GOOD)
            else:
                numbers = {"value": value, "low": low, "high": high}
                assessments[name] = Assessment(Flag.FAIL, 1.0, Reason("physical_range", dict(numbers)))

    def snapshot(self, node: str) -> bytes:
        """Nothing is remembered."""
        del node
        return b""

    def restore(self, node: str, state: bytes) -> None:
        """Nothing is remembered."""
        del node, state
