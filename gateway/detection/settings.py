"""The constants of online detection: one set for every pond, site and probe.

None is in a unit of the water. Sizes are multiples of the channel's own usual noise, or of what the same channel does about once in `EVERY` days;
durations are hours and days, so that a node that samples every minute and one that samples every half hour are treated alike.
How they were found, and what they reach on sites that were not looked at, is told in ``docs/detection.md``.
"""

from __future__ import annotations

from typing import Final

DAY: Final = 86400.0
HOUR: Final = 3600.0

# What a channel learns before it speaks.
WARM_UP_DAYS: Final = 2.0
FIRST_WEEK: Final = 7.0  # days in which `usual` levels settle three times as fast

# Noise: the larger of the last hours', the last days' and a share of the last months' mean forecast error.
NOISE_HOURS: Final = 2.23
NOISE_DAYS: Final = 4.0
NOISE_MONTHS_DAYS: Final = 77.0
NOISE_FLOOR: Final = 0.834  # share of the months' noise below which a calm spell does not count as calm
NOISE_FLOOR_SPIKE: Final = 0.082  # the same for excursions that came back: they need less proof

# Normalised least mean squares.
LEARNING: Final = 0.0086

# The usual level of each evidence: risen by GROWTH when passed, and falling so that this happens about once in EVERY days.
# Days: of a step, an excursion, a burst, a run of equal values, a hold, a movement together. Excursions and bursts are counted often and
# their factors are larger: a level that is passed once a month would be set by the faults themselves where a probe has one a week.
EVERY: Final = (14.9, 2.0, 4.0, 8.0, 15.2, 15.2)
GROWTH: Final = 0.0627
CLUSTER_HOURS: Final = 1.5  # passes within this time are one
FAR: Final = (
    1.2  # a step, a run, a hold this far beyond its threshold is not usual and teaches nothing; the others teach at any size
)

# How many times its usual level (of an excursion and a burst: times the root of it) an evidence must reach.
FACTORS: Final = (2.34, 3.35, 1.65, 1.4, 2.09, 2.29)
# Salts and particles come in pulses (a shower, a front on the canal, stirred mud): their excursions and bursts need more proof.
PULSES: Final[dict[int, dict[str, float]]] = {
    1: {"conductivity": 4.5, "salinity": 4.5, "turbidity": 5.5},
    2: {"conductivity": 1.7, "salinity": 1.7, "turbidity": 2.2},
}
FLOORS: Final = (2.0, 1.23, 0.36, 3.0, 6.94, 0.7)  # lowest usual level of each
CAPS: Final = (12.0, 12.0, 12.0, 16.0, 16.0, 16.0)  # highest usual level of each after the warm-up

# Water that moves moves several quantities: an excursion needs the more proof, the larger that of another quantity in the same values is.
OTHERS_WEIGHT: Final = 0.8

SALTS: Final = frozenset({"conductivity", "salinity"})

# A conductivity cell that is fouled, full of bubbles, iced or out of the water reads low: a rise must be this many times as large as a fall.
RISE: Final = 1.95

# Stuck.
STUCK_HOURS: Final = 3.7  # run of equal values that is looked at with no more proof than its threshold
SHORT_RUN_HOURS: Final = 2.5  # shortest run that is looked at
SHORT_RUN_PROOF: Final = 1.8  # times the threshold that it must reach
REPEAT_MEMORY: Final = 44.2  # samples over which the share of repeated values is taken
REPEAT_MEMORY_HOUR: Final = 34.0  # the same for one hour of the day
REPEAT_LATELY: Final = 1 / 3  # weight of the one lately; the hour has the rest
LEARNABLE_RUN: Final = 8  # a longer run of equal values teaches nothing

# Together.
JOIN: Final = 0.6  # share of its own usual step from which a quantity counts as taking part
HOLD_BONUS: Final = 1.47

# A jump: the water goes on under the shifted values until they come back, or have behaved well for so long that the level is accepted.
BACK: Final = 0.254
WIDEN: Final = 0.466  # growth of the tolerance with the number of samples since the last trusted one
ACCEPT_HOURS: Final = 2.36

# Excursions and steps that no water makes, in the quantity's unit (turbidity: natural logarithm).
EXCURSION_SHARE: Final = 0.617
STEP_SHARE: Final = 1.49
RARE: Final = 0.9  # times the usual level of either below which even that is this water's own
IMPLAUSIBLE: Final[dict[str, float]] = {
    "temperature": 3.0,
    "do": 3.8,
    "ph": 1.0,
    "salinity": 10.0,
    "conductivity": 15.0,
    "turbidity": 2.2,
    "depth": 0.5,
}

# A value at the very end of what the probe can say: a broken wire, a dead cell. It needs less proof than a step elsewhere.
TO_THE_FLOOR: Final = 0.5  # times the usual step
FLOORLESS: Final = frozenset({"turbidity", "depth"})  # clear water, and a node at the surface, read zero

# Half a year: membranes and electrolyte do not last that long unused, and what was learned of the water is of another season.
SILENCE_DAYS: Final = 180.0
