"""How far salinity, pH and temperature have moved within a day, and what rain and cold together mean for white-spot disease."""

from __future__ import annotations

import json
from typing import Final

from gateway.derived.hours import Hours
from gateway.observation import Observation
from vuong.flags import Flag

_WATCHED: Final = ("salinity", "ph", "temperature")
RATE_HOURS: Final = 6
# The white-spot virus multiplies best at 23–29 °C (infection trials; reviewed by Millard et al. 2021, J. Invertebr. Pathol., article 107369, read in
# abstract only). That cooling into this range together with rain, seen as a fall of salinity, means risk is this project's own rule of thumb: a
# reason to look at the shrimp, no diagnosis.
VIRUS_HIGH: Final = 29.0  # °C


class DailyChange:
    """Adds to an observation's derived numbers what changed within 24 hours.

    ``salinity_rise``, ``salinity_fall`` (‰, against the lowest and highest hourly mean), ``salinity_rate`` (‰/h over the last six hours),
    ``ph_swing`` (between the extremes of the hourly means), ``white_spot`` (cooling against the same hour of yesterday, °C, where the water is
    at or below 29 °C and its salinity has fallen too; 0 otherwise).
    """

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, Hours]] = {}

    def update(self, observation: Observation) -> None:
        """Take a sample; readings that failed a test are left out."""
        if observation.maintenance:
            return
        sample, derived = observation.sample, observation.derived
        day = self._nodes.get(sample.node)
        if day is None:
            day = self._nodes[sample.node] = {}
        for name in _WATCHED:
            value = sample.values.get(name)
            if value is None or observation.assessments[name].flag is Flag.FAIL:
                continue
            hours = day.get(name)
            if hours is None:
                hours = day[name] = Hours()
            if not hours.add(sample.time, value) or len(hours.entries) < 2:
                continue
            if name == "salinity":
                derived["salinity_rise"] = value - hours.low()
                derived["salinity_fall"] = hours.high() - value
                before = hours.back(RATE_HOURS)
                if before is not None:
                    derived["salinity_rate"] = (hours.mean() - before) / RATE_HOURS
            elif name == "ph":
                derived["ph_swing"] = hours.high() - hours.low()
            elif "salinity_fall" in derived:
                yesterday = hours.back(24)
                rain = float(derived["salinity_fall"]) >= observation.pond.limits.white_spot_fall
                cold = yesterday is not None and rain and value <= VIRUS_HIGH
                derived["white_spot"] = yesterday - hours.mean() if cold and yesterday is not None else 0.0

    def snapshot(self, node: str) -> bytes:
        """Return the hours of a node."""
        day = self._nodes.get(node)
        return json.dumps({name: list(hours.entries) for name, hours in day.items()}).encode() if day else b""

    def restore(self, node: str, state: bytes) -> None:
        """Take back the hours of a node."""
        if state:
            self._nodes[node] = {name: Hours(entries) for name, entries in json.loads(state).items()}
