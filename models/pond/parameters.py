"""Every number of the pond process model, with unit and source.

Presets: `shrimp_pond` (an aerated, lined-dike pond in Sóc Trăng) and `estuary` (a monitoring station in a warm brackish bay, after Cat Point).
Values without a paper are assumptions of this project and say so.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, Final

_ASSUMED: Final = "assumed"
_BOYD: Final = "Boyd & Tucker 1998, Pond Aquaculture Water Quality Management"
_CHAPRA: Final = "Chapra 1997, Surface Water-Quality Modeling"


def _number(default: float, unit: str, source: str) -> Any:  # noqa: ANN401 - what `field` returns
    return field(default=default, metadata={"unit": unit, "source": source})


@dataclass(frozen=True, slots=True)
class Climate:
    """Monthly normals of a place, January first.

    Attributes
    ----------
    latitude, longitude : degrees
    low, high : mean daily minimum and maximum of the air, °C
    humidity : %
    rain : mm a month
    cloud : mean cover, 0 to 1
    wind : mean at 10 m, m/s
    source : where the normals come from
    """

    latitude: float
    longitude: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    humidity: tuple[float, ...]
    rain: tuple[float, ...]
    cloud: tuple[float, ...]
    wind: float
    source: str


# Cloud from sunshine hours: 1 - hours / (12 h a day). Wind is not in the record: assumed.
SOC_TRANG: Final = Climate(
    latitude=9.6,
    longitude=105.97,
    low=(22.3, 22.6, 23.8, 24.8, 25.1, 24.8, 24.5, 24.5, 24.5, 24.5, 24.2, 22.9),
    high=(30.3, 31.2, 32.6, 33.8, 33.0, 31.7, 31.1, 31.0, 30.9, 30.8, 30.6, 29.9),
    humidity=(79.7, 78.2, 77.3, 78.3, 84.0, 86.5, 87.1, 87.4, 88.1, 87.5, 85.1, 82.5),
    rain=(7.0, 4.0, 13.0, 73.0, 231.0, 272.0, 260.0, 288.0, 288.0, 291.0, 140.0, 41.0),
    cloud=(0.36, 0.27, 0.25, 0.29, 0.44, 0.54, 0.53, 0.53, 0.57, 0.55, 0.45, 0.46),
    wind=3.0,
    source="Sóc Trăng station 1979-2017, means of the months (epix-project/imhen, MIT, © 2018 Marc Choisy); wind assumed",
)
# Cloud from the monthly sums of photosynthetic radiation against a clear sky; rain as recorded, though the gauge was out for long.
APALACHICOLA: Final = Climate(
    latitude=29.7,
    longitude=-84.9,
    low=(9.4, 9.8, 15.0, 15.0, 18.1, 22.0, 22.6, 23.3, 21.9, 17.0, 10.5, 9.4),
    high=(19.0, 18.5, 21.0, 24.5, 27.5, 29.7, 29.8, 30.3, 29.5, 26.1, 20.6, 19.0),
    humidity=(81.3, 83.0, 75.9, 75.9, 77.3, 79.4, 83.0, 83.5, 81.1, 79.6, 81.1, 89.3),
    rain=(31.0, 90.0, 87.0, 81.0, 37.0, 327.0, 344.0, 239.0, 162.0, 56.0, 60.0, 108.0),
    cloud=(0.35, 0.5, 0.4, 0.3, 0.3, 0.35, 0.5, 0.45, 0.4, 0.35, 0.35, 0.5),
    wind=2.8,
    source="East Bay weather station 2012-13 (NOAA NERRS through fawda123/SWMPr, CC0), monthly means",
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The numbers of one water body; `described` lists them with units and sources."""

    climate: Climate = SOC_TRANG
    # The body of water
    depth: float = _number(1.3, "m", "usual for intensive ponds in the delta; " + _ASSUMED)
    albedo: float = _number(0.08, "1", _CHAPRA)
    cloud_loss: float = _number(0.75, "1", "Kasten & Czeplak 1980: global radiation under full cover is 25 % of a clear sky's")
    # Oxygen
    bloom: float = _number(1.0, "1", "plankton, as a multiple of what the rates below hold for")
    bloom_spread: float = _number(0.2, "1", "standard deviation of its logarithm; " + _ASSUMED)
    bloom_growth: float = _number(0.5, "1/d", "net growth towards its carrying level; " + _CHAPRA)
    photosynthesis: float = _number(3.6, "mg O2/L/h", f"light-saturated; {_BOYD} gives 0.5-4")
    half_light: float = _number(40.0, "W/m2 PAR", f"half saturation; {_CHAPRA}")
    attenuation_water: float = _number(1.0, "1/m", _ASSUMED)
    attenuation_bloom: float = _number(2.5, "1/m", f"Secchi depth 0.4-0.5 m (1.7/k); {_BOYD}")
    respiration_plankton: float = _number(0.23, "mg O2/L/h at 20 °C", f"{_BOYD}: 0.1-0.4 in ponds")
    respiration_sediment: float = _number(1.6, "g O2/m2/d at 20 °C", f"{_BOYD}: 1-4 in shrimp ponds")
    respiration_animals: float = _number(0.05, "mg O2/L/h at 20 °C", "0.4 kg/m3 shrimp at 0.25 g/kg/h and 28 °C; " + _BOYD)
    q10: float = _number(2.0, "1", _CHAPRA)
    oxygen_half: float = _number(0.4, "mg/L", "oxygen at which respiration is halved; " + _CHAPRA)
    bloom_oxygen: float = _number(
        16.0, "mg O2/L", "oxygen that a whole dead bloom takes: 150 µg/L chlorophyll, C:chl 40, 2.67 g O2/g C"
    )
    decay: float = _number(1.2, "1/d at 20 °C", "of dead plankton; " + _CHAPRA)
    aerator: float = _number(0.16, "1/h", f"KLa of paddle wheels, 15 kW/ha at 1.5 kg O2/kWh; {_BOYD}")
    aerator_from: float = _number(19.0, "local solar hour", "aerators start; " + _ASSUMED)
    aerator_until: float = _number(7.0, "local solar hour", "aerators stop; " + _ASSUMED)
    # Carbonate system
    alkalinity: float = _number(2300.0, "µmol/L", "115 mg/L CaCO3, kept by liming; QCVN 02-19:2014 optimum 100-150")
    co2_air: float = _number(425.0, "µatm", "NOAA GML 2024")
    quotient_photosynthesis: float = _number(1.15, "mol O2/mol C", "Laws 1991")
    quotient_respiration: float = _number(0.95, "mol C/mol O2", _CHAPRA)
    nbs_offset: float = _number(0.12, "pH", "NBS electrode above the total scale; Zeebe & Wolf-Gladrow 2001")
    # Salt
    salinity: float = _number(15.0, "PSU", "at the start; farmers keep 10-25")
    exchange: float = _number(0.0006, "1/h", "share of the water exchanged with canal or bay; 1.5 % a day, " + _ASSUMED)
    outside_salinity: float = _number(15.0, "PSU", "of that water; " + _ASSUMED)
    outside_spread: float = _number(3.0, "PSU", "slow changes of it (10 days), standard deviation; " + _ASSUMED)
    tide_salinity: float = _number(1.5, "PSU", "its amplitude with the tide; " + _ASSUMED)
    tide_depth: float = _number(0.0, "m", "amplitude of the water level with the tide")
    outside_alkalinity: float = _number(1500.0, "µmol/L", "of fresh water; rises to 2300 at 35 PSU; " + _ASSUMED)
    outside_oxygen: float = _number(0.93, "of saturation", _ASSUMED)
    outside_co2: float = _number(1.4, "of the air's", "rivers and bays give CO2 off; " + _ASSUMED)
    outside_co2_spread: float = _number(0.2, "1", "slow changes of it (6 days), standard deviation of the logarithm; " + _ASSUMED)
    patch_salinity: float = _number(0.0, "PSU", "salinity of passing patches of water, standard deviation")
    patch_oxygen: float = _number(0.0, "mg/L", "oxygen of passing patches of water, standard deviation")
    patch_hours: float = _number(3.0, "h", "memory of patches; " + _ASSUMED)
    unevenness: float = _number(
        0.08, "mg/L", "oxygen at the probe beside the body's (20 minutes), standard deviation; " + _ASSUMED
    )


def shrimp_pond(**changes: float) -> Parameters:
    """Return an aerated shrimp pond in Sóc Trăng, with `changes` put in."""
    return replace(Parameters(), **changes)  # type: ignore[arg-type]


def estuary(**changes: float) -> Parameters:
    """Return a station in a warm brackish bay after Cat Point, Apalachicola: little plankton, no aerators, tides that bring other water."""
    bay = Parameters(
        climate=APALACHICOLA,
        depth=2.8,
        photosynthesis=0.55,
        attenuation_water=0.6,
        attenuation_bloom=0.9,
        respiration_plankton=0.05,
        respiration_sediment=0.8,
        respiration_animals=0.0,
        aerator=0.0,
        salinity=26.0,
        exchange=0.28,
        outside_salinity=26.5,
        outside_spread=4.4,
        tide_salinity=3.8,
        tide_depth=0.25,
        outside_alkalinity=1100.0,
        outside_oxygen=0.84,
        outside_co2=1.5,
        outside_co2_spread=0.3,
        patch_salinity=2.4,
        patch_oxygen=1.1,
        patch_hours=1.0,
        unevenness=0.38,
        bloom_spread=0.35,
    )
    return replace(bay, **changes)  # type: ignore[arg-type]


def described() -> list[tuple[str, float, float, str, str]]:
    """Return ``(name, pond's value, estuary's value, unit, source)`` of each parameter, for the documentation."""
    pond, bay = shrimp_pond(), estuary()
    found: list[Field[Any]] = [f for f in fields(Parameters) if f.metadata]
    return [(f.name, getattr(pond, f.name), getattr(bay, f.name), f.metadata["unit"], f.metadata["source"]) for f in found]
