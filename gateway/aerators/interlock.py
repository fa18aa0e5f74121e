"""Whether an aerator's relay may be on or off now: pure rules, each of which a property test holds it to.

In the order of their weight:

1. A person's override wins over everything else, at once.
2. A motor that has just been switched keeps its state for its least time.
3. Oxygen that is not known (no reading, an old one, a failed one) is taken for low: the aerator runs.
4. It is never switched off at night while oxygen is low or not known.
5. Otherwise it starts below one oxygen and stops above another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from gateway.aerators.config import Aerator
from gateway.derived.oxygen import Oxygen
from gateway.observation import Pond
from vuong.flags import Flag

Override = Literal["on", "off"]

STALE: Final = 1800  # s: an older reading says nothing of the oxygen now
_HOUR: Final = 3600
# Night as far as oxygen goes: algae give none while the sun is low. Local solar time, hours.
DUSK: Final = 16.5
DAWN: Final = 8.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What the relay does, and why: a word of the log and of the page."""

    on: bool
    why: str


def night(now: float, longitude: float) -> bool:
    """Return whether it is night for the pond's algae, by mean solar time at `longitude` (°E)."""
    solar = (now / _HOUR + longitude / 15) % 24
    return solar >= DUSK or solar < DAWN


def known(oxygen: Oxygen | None, now: int) -> bool:
    """Return whether a reading says what the oxygen is now."""
    return (
        oxygen is not None and oxygen.flag is not Flag.FAIL and math.isfinite(oxygen.value) and -60 <= now - oxygen.time <= STALE
    )


def decide(  # noqa: PLR0911 - one a rule
    aerator: Aerator, now: int, *, on: bool, switched: int, oxygen: Oxygen | None, override: Override | None, pond: Pond
) -> Decision:
    """Return whether an aerator's relay is to be on.

    Parameters
    ----------
    aerator : its limits and least times
    now : UTC seconds
    on, switched : the relay's state, and since when (UTC seconds)
    oxygen : the pond's last reading
    override : what a person wants, ``None`` for automatic
    pond : its limits say what is low, its longitude when it is night
    """
    if override is not None:
        return Decision(override == "on", "override")
    since = now - switched
    if since < 0:
        return Decision(on, "clock")  # it went back: nothing is switched for it, until the least time runs from here
    if since < (aerator.min_on if on else aerator.min_off):
        return Decision(on, "least_time")
    if oxygen is None or not known(oxygen, now):
        return Decision(True, "unknown")
    if oxygen.value < aerator.start_below:
        return Decision(True, "low")
    if not on:
        return Decision(False, "enough")
    # A suspect reading may start it, but not stop it.
    if oxygen.value <= aerator.stop_above or oxygen.flag is not Flag.GOOD:
        return Decision(True, "not_enough_yet")
    if oxygen.value < (pond.limits.do.low_warning or 0.0) and night(now, pond.longitude):
        return Decision(True, "night")  # whatever somebody wrote as stop_above
    return Decision(False, "enough")
