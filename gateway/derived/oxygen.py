"""Where the oxygen goes: percent of saturation, its rate over the last hour or so, and when it will be down to a limit."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.derived.slope import Slope, theil_sen
from gateway.observation import Observation
from vuong.flags import Flag
from vuong.water.oxygen import percent

WINDOW: Final = 75 * 60
SPACING: Final = 240  # s: points closer together than this tell nothing new
LEAST_POINTS: Final = 3
LEAST_SPAN: Final = 25 * 60
NEAR: Final = 1.5  # mg/L above the first limit: from there on somebody may want to know the rate
HORIZON: Final = 6 * 3600
# A night's fall bends and may end: a straight line through the last hour says when a limit would be reached if it went on, and no more. What can be
# said honestly is a time before which it is not: the rate may more than double. On recorded water (`python -m benchmarks.projection`) 96 to 99.9 % of
# the limits that were projected were not reached before it; a quarter to a half of them were never reached, so no latest time is told.
FASTER: Final = 2.5


@dataclass(frozen=True, slots=True)
class Oxygen:
    """A pond's last oxygen: mg/L, UTC seconds, flag of its tests."""

    value: float
    time: int
    flag: Flag


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a falling value reaches a limit if it goes on as in the last hour, and before when it does not, UTC seconds."""

    reached: int
    earliest: int


def arrival(time: int, value: float, target: float, rate: float, low: float, high: float) -> Arrival | None:
    """Return when `value` will be down to `target`; ``None`` where that is not known: it does not surely fall, or it is hours away.

    Parameters
    ----------
    time : UTC seconds
    value, target : mg/L
    rate, low, high : slope and its bounds, mg/L an hour; negative when falling
    """
    if value <= target or high >= 0:
        return None
    gap = (value - target) * 3600
    fastest = min(low, rate * FASTER)
    reached = time + gap / -rate
    if reached - time > HORIZON:
        return None
    return Arrival(round(reached), round(time + gap / -fastest))


class OxygenCourse:
    """Adds ``do_percent``, and near the limits ``do_rate``, ``do_rate_low``, ``do_rate_high`` (mg/L an hour) to the derived numbers.

    Attributes
    ----------
    last : pond id → its last oxygen, whatever its flag
    """

    def __init__(self) -> None:
        self._points: dict[str, deque[tuple[int, float]]] = {}
        self._rates: dict[str, Slope] = {}  # worked out once a point
        self.last: dict[str, Oxygen] = {}

    def update(self, observation: Observation) -> None:
        """Take a sample's oxygen, unless it failed a test."""
        sample, derived = observation.sample, observation.derived
        value = sample.values.get("do")
        if value is None or observation.maintenance:
            return
        assessments = observation.assessments
        flag = assessments["do"].flag
        known = self.last.get(observation.pond.id)
        if known is None or sample.time >= known.time:
            self.last[observation.pond.id] = Oxygen(value, sample.time, flag)
        if flag is Flag.FAIL:
            return
        temperature, salinity = sample.values.get("temperature"), sample.values.get("salinity")
        if (
            temperature is not None
            and salinity is not None
            and 0.0 <= temperature <= 40.0
            and 0.0 <= salinity <= 42.0
            and Flag.FAIL is not assessments["temperature"].flag
        ):
            derived["do_percent"] = percent(value, temperature, salinity)
        points = self._points.get(sample.node)
        if points is None:
            points = self._points[sample.node] = deque()
        time = sample.time
        if points and time - points[-1][0] < SPACING:
            if time < points[-1][0]:
                return  # old, out of the backlog
        else:
            points.append((time, value))
            while points[0][0] < time - WINDOW:
                points.popleft()
            self._rates.pop(sample.node, None)
        limit = observation.pond.limits.do.low_warning
        if limit is None or value > limit + NEAR or len(points) < LEAST_POINTS or time - points[0][0] < LEAST_SPAN:
            return
        rate = self._rates.get(sample.node)
        if rate is None:
            rate = self._rates[sample.node] = theil_sen(points)
        derived["do_rate"], derived["do_rate_low"], derived["do_rate_high"] = (3600 * s for s in rate)

    def snapshot(self, node: str) -> bytes:
        """Return the points of a node."""
        points = self._points.get(node)
        return json.dumps(list(points)).encode() if points else b""

    def restore(self, node: str, state: bytes) -> None:
        """Take back the points of a node."""
        if state:
            self._points[node] = deque((time, value) for time, value in json.loads(state))
