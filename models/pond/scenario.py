"""What happens to a pond beside the usual: told scenarios, as windows of time in which something is forced."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.pond.probe import Fault, FaultKind

_HOUR: Final = 3600
FOREVER: Final = 2**62


class Forced(StrEnum):
    """What a scenario can force."""

    CLOUD = "cloud"  # cover at least, 0 to 1
    WIND = "wind"  # multiple of the wind
    DIE_OFF = "die_off"  # share of the plankton that dies an hour
    AERATOR = "aerator"  # multiple of the aerators' work; 0 is a failure
    EXCHANGE = "exchange"  # share of the water exchanged an hour
    OUTSIDE_SALINITY = "outside_salinity"  # PSU added to the canal's


@dataclass(frozen=True, slots=True)
class Forcing:
    """From `start` until before `end` (UTC seconds), `what` is `size`; through the first `ramp` seconds it comes in evenly."""

    what: Forced
    start: int
    end: int
    size: float
    ramp: int = 0

    def at(self, time: float) -> float | None:
        """Return the forced value, ``None`` outside the window."""
        if not self.start <= time < self.end:
            return None
        return self.size * min(1.0, (time - self.start) / self.ramp) if self.ramp else self.size


@dataclass(frozen=True, slots=True)
class Scenario:
    """Forcings of the water, faults of the probes, and windows ``(start, end)`` in which the node is off-line."""

    name: str
    forcings: tuple[Forcing, ...] = ()
    faults: tuple[Fault, ...] = ()
    offline: tuple[tuple[int, int], ...] = ()

    def forced(self, what: Forced, time: float) -> float | None:
        """Return what is forced at `time`, ``None`` where nothing is."""
        for forcing in self.forcings:
            if forcing.what is what and (value := forcing.at(time)) is not None:
                return value
        return None

    def is_offline(self, time: float) -> bool:
        """Return whether the node has no link at `time`."""
        return any(start <= time < end for start, end in self.offline)


USUAL: Final = Scenario("usual")


def oxygen_crash(time: int) -> Scenario:
    """Return an oxygen crash before dawn: the last aerators fail at `time` (about 1 a.m.) for eight hours.

    Before it lie two dull days, a calm night, a bloom that dies from ten hours before, and half of the aerators that failed in the evening.
    """
    return Scenario(
        "oxygen_crash",
        (
            Forcing(Forced.CLOUD, time - 60 * _HOUR, time + 12 * _HOUR, 0.93),
            Forcing(Forced.WIND, time - 12 * _HOUR, time + 8 * _HOUR, 0.4),
            Forcing(Forced.DIE_OFF, time - 10 * _HOUR, time + 4 * _HOUR, 0.4),
            Forcing(Forced.AERATOR, time - 3 * _HOUR, time, 0.4),
            Forcing(Forced.AERATOR, time, time + 8 * _HOUR, 0.0),
        ),
    )


def fouled_probe(time: int, quantity: str = "do", a_day: float = 0.35) -> Scenario:
    """Return a probe whose cap is overgrown from `time` on: it loses the share `a_day` of its signal a day and grows noisy."""
    return Scenario("fouled_probe", faults=(Fault(FaultKind.FOULING, quantity, time, FOREVER, a_day),))


def node_offline(time: int, until: int) -> Scenario:
    """Return a node without its link from `time` until `until`."""
    return Scenario("node_offline", offline=((time, until),))


def salt_intrusion(time: int) -> Scenario:
    """Return salty water that comes up the river from `time` on (15 PSU in 6 hours) while the pond's sluice stands open for two days."""
    return Scenario(
        "salt_intrusion",
        (
            Forcing(Forced.OUTSIDE_SALINITY, time, FOREVER, 15.0, ramp=6 * _HOUR),
            Forcing(Forced.EXCHANGE, time, time + 48 * _HOUR, 0.08),
        ),
    )
