"""How far the salinity has risen within a day: salt water comes up the river in hours."""

from __future__ import annotations

import json
from collections import deque
from typing import Final

from gateway.observation import Observation
from vuong.flags import Flag

HOUR: Final = 3600
HOURS: Final = 24


class SalinityRise:
    """Adds ``salinity_rise``, the rise above the lowest hourly mean of the last 24 hours, in ‰, to an observation.

    An hourly mean, so that one low reading is not taken for the level that the water rose from.
    """

    def __init__(self) -> None:
        # node → [hour number, sum, count] of each hour that had readings, oldest first
        self._hours: dict[str, deque[list[float]]] = {}

    def update(self, observation: Observation) -> None:
        """Take the salinity of a sample, unless it failed a test."""
        sample = observation.sample
        value = sample.values.get("salinity")
        if value is None or observation.maintenance or observation.assessments["salinity"].flag is Flag.FAIL:
            return
        hours = self._hours.setdefault(sample.node, deque())
        hour = sample.time // HOUR
        if hours and hour < hours[-1][0]:
            return  # an old sample out of the backlog: the day that it belongs to is over
        if hours and hours[-1][0] == hour:
            hours[-1][1] += value
            hours[-1][2] += 1
        else:
            hours.append([hour, value, 1])
            while hours[0][0] <= hour - HOURS:
                hours.popleft()
        if len(hours) > 1:
            lowest = min(total / count for _, total, count in hours)
            observation.derived["salinity_rise"] = value - lowest

    def snapshot(self, node: str) -> bytes:
        """Return the hours of a node."""
        hours = self._hours.get(node)
        return json.dumps(list(hours)).encode() if hours else b""

    def restore(self, node: str, state: bytes) -> None:
        """Take back the hours of a node."""
        if state:
            self._hours[node] = deque(json.loads(state))
