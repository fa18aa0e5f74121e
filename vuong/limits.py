"""Water limits of the two farmed shrimps; every pond can override each number.

Source: QCVN 02-19:2014/BNNPTNT (Vietnam's technical regulation for brackish-water shrimp farms), read from a secondary copy: the official text
wins. Warning and critical values are this project's defaults within it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

SPECIES: Final = ("vannamei", "monodon")


@dataclass(frozen=True, slots=True)
class Band:
    """Warning and critical values of one quantity, in its unit; ``None`` where there is no limit on that side."""

    low_critical: float | None = None
    low_warning: float | None = None
    high_warning: float | None = None
    high_critical: float | None = None

    def __post_init__(self) -> None:
        present = [v for v in (self.low_critical, self.low_warning, self.high_warning, self.high_critical) if v is not None]
        if present != sorted(present):
            raise ValueError(f"limits {present} must rise from low critical to high critical")

    def level(self, value: float) -> str:
        """Return how far out `value` is: ``ok``, ``warning`` or ``critical``."""
        for name, low, high in (
            ("critical", self.low_critical, self.high_critical),
            ("warning", self.low_warning, self.high_warning),
        ):
            if (low is not None and value < low) or (high is not None and value > high):
                return name
        return "ok"


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one pond.

    Attributes
    ----------
    do, ph, salinity, temperature : bands in mg/L, pH, ‰, °C
    do_siren : dissolved oxygen below which shrimp die within hours, mg/L
    ph_swing : largest difference of pH within 24 h
    salinity_fall, salinity_rise : largest fall and rise of salinity within 24 h, ‰
    alkalinity : mg/L CaCO3
    ammonia_warning, ammonia_critical : un-ionised ammonia as NH3, mg/L
    white_spot_cooling, white_spot_fall : cooling against the same hour of yesterday, °C, and fall of salinity within 24 h, ‰, that together are
        taken for rain and cold
    """

    do: Band = Band(low_critical=3.0, low_warning=4.0)
    do_siren: float = 2.0
    ph: Band = Band(7.0, 7.5, 8.5, 9.0)
    ph_swing: float = 0.5
    salinity: Band = Band(low_critical=5.0, high_critical=35.0)
    salinity_fall: float = 5.0
    salinity_rise: float = 3.0
    temperature: Band = Band(20.0, 26.0, 32.0, 33.0)
    alkalinity: Band = Band(low_critical=60.0, low_warning=80.0, high_critical=180.0)
    ammonia_warning: float = 0.1
    ammonia_critical: float = 0.3
    white_spot_cooling: float = 3.0
    white_spot_fall: float = 2.0

    def band(self, quantity: str) -> Band | None:
        """Return the band of a quantity, ``None`` where there is none."""
        found = getattr(self, quantity, None)
        return found if isinstance(found, Band) else None


# The regulation sets the same limits for both; what differs is the band of salinity that farmers keep, which a pond's own entry tells.
DEFAULTS: Final[dict[str, Limits]] = {"vannamei": Limits(), "monodon": Limits()}


def limits_of(species: str, overrides: dict[str, dict[str, float] | float] | None = None) -> Limits:
    """Return the limits of a species with a pond's own numbers put in.

    Parameters
    ----------
    species : one of `SPECIES`
    overrides : e.g. ``{"do": {"low_warning": 4.5}, "ph_swing": 0.4}``

    Raises
    ------
    ValueError
        naming the species or field that is not known, or the numbers that are out of order
    """
    if species not in DEFAULTS:
        raise ValueError(f"species {species!r} is not known; use one of {', '.join(SPECIES)}")
    limits, changes = DEFAULTS[species], dict[str, Any]()
    for name, value in (overrides or {}).items():
        current = getattr(limits, name, None)
        if current is None:
            raise ValueError(f"limit {name!r} is not known; known are {', '.join(Limits.__dataclass_fields__)}")
        if isinstance(current, Band):
            if not isinstance(value, dict):
                raise ValueError(
                    f"limit {name!r} is {value!r}; give a table with low_critical, low_warning, high_warning or high_critical"
                )
            unknown = set(value) - set(Band.__dataclass_fields__)
            if unknown:
                raise ValueError(
                    f"limit {name!r} has unknown field {sorted(unknown)[0]!r}; known are {', '.join(Band.__dataclass_fields__)}"
                )
            changes[name] = replace(current, **{k: float(v) for k, v in value.items()})
        elif isinstance(value, int | float):
            changes[name] = float(value)
        else:
            raise ValueError(f"limit {name!r} is {value!r}; give a number")
    return replace(limits, **changes)
