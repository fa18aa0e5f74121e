"""The water itself: heat, salt, plankton, oxygen and carbon of a well-mixed body, stepped through time.

Sources beside the parameters' own: surface heat balance of Chapra 1997 (section 30, there in cal/cm²/d); gas transfer of Wanninkhof 2014 (Limnol.
Oceanogr. Methods 12, 351); light averaged over depth (Chapra 1997, half-saturation form).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final

from models.pond.carbonate import Constants
from models.pond.parameters import Parameters
from models.pond.scenario import USUAL, Forced, Scenario
from models.pond.weather import STEP, Conditions, Drift, Weather, solar_hour
from vuong.water import oxygen

_HOURS: Final = STEP / 3600.0
_HEAT: Final = 4.1e6  # J/m³/K of brackish water
_CAL: Final = 0.4843  # W/m² of 1 cal/cm²/d
_SIGMA: Final = 11.7e-8  # cal/cm²/d/K⁴
_MMOL: Final = 31.25  # mmol of O2 in a gram
_SPIN_UP: Final = 4 * 86400
_TIDES: Final = ((12.4206, 0.55), (25.8193, 0.45))  # M2 and O1: period in hours, share of the amplitude


@dataclass(slots=True)
class Water:
    """What the water is: °C, mg/L, PSU, m, µmol/L of carbon and alkalinity; plankton as a multiple, oxygen demand of the dead in mg/L, pH (total)."""

    temperature: float
    do: float
    salinity: float
    depth: float
    carbon: float
    alkalinity: float
    bloom: float
    dead: float
    ph: float


class Pond:
    """A pond, from `start` on. Equal arguments give equal water, however it is stepped.

    Parameters
    ----------
    seed : chooses this pond's own chances
    start : UTC seconds; the days before it are run through first, so that the water is as it would be then
    parameters : `parameters.shrimp_pond()` or `parameters.estuary()`
    scenario : what happens beside the usual
    weather_seed : chooses the weather; ponds beside one another share it. By default `seed`.

    Examples
    --------
    >>> from models.pond import Pond, shrimp_pond
    >>> pond = Pond(7, 1_795_100_400, shrimp_pond())
    >>> sorted(pond.step_to(1_795_104_000))
    ['conductivity', 'depth', 'do', 'ph', 'salinity', 'temperature', 'turbidity']
    """

    def __init__(
        self,
        seed: int,
        start: float,
        parameters: Parameters,
        scenario: Scenario = USUAL,
        *,
        weather_seed: int | None = None,
    ) -> None:
        self._p, self._scenario = parameters, scenario
        first = (int(start) - _SPIN_UP) // STEP * STEP
        self._weather = Weather(parameters.climate, seed if weather_seed is None else weather_seed, first, parameters.cloud_loss)
        self._random = Random(f"pond/{seed}/{first}")
        self._level = Drift(self._random, parameters.bloom_spread, 4 * 86400.0)
        self._slow_salt = Drift(self._random, parameters.outside_spread, 10 * 86400.0)
        self._slow_co2 = Drift(self._random, parameters.outside_co2_spread, 6 * 86400.0)
        self._patch = Drift(self._random, parameters.patch_oxygen, parameters.patch_hours * 3600.0)
        self._salt_patch = Drift(self._random, parameters.patch_salinity, parameters.patch_hours * 3600.0)
        self._uneven = Drift(self._random, parameters.unevenness, 1200.0)
        self._silt = Drift(self._random, 0.25, 3 * 3600.0)
        c = parameters.climate
        month = int(start / 86400.0 % 365.25 / 30.44) % 12
        air = 0.5 * (c.low[month] + c.high[month])
        saturated = _saturation(air + 2.0, parameters.salinity)
        constants = Constants(air, parameters.salinity)
        carbon = _carbon_at(constants, parameters.alkalinity, parameters.co2_air)
        self.water = Water(
            air + 2.0,
            saturated,
            parameters.salinity,
            parameters.depth,
            carbon,
            parameters.alkalinity,
            parameters.bloom,
            0.0,
            8.0,
        )
        self._outside_carbon = carbon
        self._grid = first
        self._before = self._after = self._seen()
        self._time = float(first)
        self.step_to(start)

    def step_to(self, time: float) -> dict[str, float]:
        """Return the true water at `time` (UTC seconds): quantity → value in its unit. Between steps of five minutes it is interpolated.

        Raises
        ------
        ValueError
            if `time` lies before the last one
        """
        if time < self._time:
            raise ValueError(f"time is {time}; the pond is already at {self._time}: water does not run back")
        self._time = time
        while self._grid < time:
            self._before = self._after
            self._advance()
            self._after = self._seen()
        share = 1.0 - (self._grid - time) / STEP
        return {name: old + (self._after[name] - old) * share for name, old in self._before.items()}

    def _seen(self) -> dict[str, float]:
        w = self.water
        # plankton and stirred silt: an order of magnitude only
        turbidity = 12.0 * w.bloom * math.exp(self._silt.value) + 4.0
        return {
            "temperature": w.temperature,
            "do": max(0.0, w.do + self._uneven.value * w.do / (w.do + 1.0)),
            "ph": w.ph
            + self._p.nbs_offset
            + 0.05 * self._uneven.value,  # where oxygen is used up, CO2 is made: about 0.05 a mg/L
            "salinity": w.salinity,
            "conductivity": conductivity(w.salinity, w.temperature),
            "turbidity": turbidity,
            "depth": w.depth,
        }

    def _advance(self) -> None:
        """Move on by one step of explicit Euler; all rates are well below one a step."""
        p, w, time = self._p, self.water, self._grid
        weather = self._weather.step(time, self._scenario.forced(Forced.CLOUD, time) or 0.0)
        wind = self._scenario.forced(Forced.WIND, time)
        weather.wind *= 1.0 if wind is None else wind
        self._silt.step()
        self._uneven.step()
        w.temperature += _heat(w, weather, p.albedo) * STEP / (_HEAT * w.depth)
        w.temperature = min(max(w.temperature, 0.5), 39.5)
        self._plankton(time)
        self._salt(time, weather)
        self._gases(time, weather)
        self._grid += STEP

    def _plankton(self, time: float) -> None:
        p, w = self._p, self.water
        level = p.bloom * math.exp(self._level.step())
        growth = p.bloom_growth / 24.0 * w.bloom * (1.0 - w.bloom / level)
        dying = (self._scenario.forced(Forced.DIE_OFF, time) or 0.0) * w.bloom
        w.bloom = max(0.02, w.bloom + (growth - dying) * _HOURS)
        w.dead += (dying + max(0.0, -growth)) * p.bloom_oxygen * _HOURS

    def _salt(self, time: float, weather: Conditions) -> None:
        """Rain and evaporation change the depth; the farmer keeps it with water from outside, and lets surplus out."""
        p, w = self._p, self.water
        tide = sum(share * math.cos(2.0 * math.pi * time / 3600.0 / period) for period, share in _TIDES)
        outside = p.outside_salinity + self._slow_salt.step() + p.tide_salinity * tide + self._salt_patch.step()
        slow_co2 = self._slow_co2.step()
        outside = max(0.2, outside + (self._scenario.forced(Forced.OUTSIDE_SALINITY, time) or 0.0))
        fresh = (weather.rain / 1000.0 - _evaporation(w, weather)) * _HOURS  # m
        dilution = w.depth / (w.depth + fresh)
        w.salinity *= dilution
        w.alkalinity *= dilution
        w.carbon *= dilution
        depth = w.depth + fresh
        kept = p.depth + p.tide_depth * tide
        inflow = max(0.0, (kept - depth) * _HOURS / 12.0) / depth  # what is missing is let in over half a day
        w.depth = depth + (kept - depth) * (_HOURS / 12.0 if not p.tide_depth else 1.0)
        exchange = self._scenario.forced(Forced.EXCHANGE, time)
        share = min(0.5, inflow + (p.exchange if exchange is None else exchange) * _HOURS)
        outside_alkalinity = p.outside_alkalinity + (2300.0 - p.outside_alkalinity) * outside / 35.0
        if time % 3600 == 0:  # the costly part of what changes slowly
            co2 = p.co2_air * p.outside_co2 * math.exp(slow_co2)
            self._outside_carbon = _carbon_at(Constants(w.temperature, min(outside, 42.0)), outside_alkalinity, co2)
        patch = self._patch.step()
        outside_do = max(0.2, p.outside_oxygen * _saturation(w.temperature, outside) + patch)
        outside_carbon = self._outside_carbon - _MMOL * patch
        w.salinity += share * (outside - w.salinity)
        w.alkalinity += share * (outside_alkalinity - w.alkalinity)
        w.carbon += share * (outside_carbon - w.carbon)
        w.do += share * (outside_do - w.do)
        if not p.tide_depth:
            w.alkalinity += (p.alkalinity - w.alkalinity) * _HOURS / 120.0  # the farmer limes: five days

    def _gases(self, time: float, weather: Conditions) -> None:
        """Oxygen (mg/L) and carbon (µmol/L): photosynthesis, respiration, exchange with the air by wind and aerators."""
        p, w = self._p, self.water
        warmth = p.q10 ** ((w.temperature - 20.0) / 10.0)
        light = 0.45 * weather.radiation * (1.0 - p.albedo)
        extinction = (p.attenuation_water + p.attenuation_bloom * w.bloom) * w.depth
        share = math.log((p.half_light + light) / (p.half_light + light * math.exp(-extinction))) / extinction
        # carbon-limited when pH is very high
        made = p.photosynthesis * w.bloom * share * min(1.0, w.carbon / 200.0) * _HOURS
        limit = w.do / (w.do + p.oxygen_half)
        decayed = w.dead * (1.0 - math.exp(-p.decay / 24.0 * warmth * _HOURS)) * limit
        living = p.respiration_plankton * w.bloom + p.respiration_sediment / 24.0 / w.depth + p.respiration_animals
        used = living * warmth * limit * _HOURS + decayed
        w.dead -= decayed
        transfer = _transfer(weather.wind, w.temperature) / w.depth
        aerator = p.aerator if _running(solar_hour(time, p.climate.longitude), p.aerator_from, p.aerator_until) else 0.0
        failure = self._scenario.forced(Forced.AERATOR, time)
        aerator *= 1.0 if failure is None else failure
        rate = transfer + aerator * 1.024 ** (w.temperature - 20.0)
        share_air = 1.0 - math.exp(-rate * _HOURS)
        w.do = max(0.0, w.do + made - used + share_air * (_saturation(w.temperature, w.salinity) - w.do))
        constants = Constants(w.temperature, w.salinity)
        w.carbon += _MMOL * (used * p.quotient_respiration - made / p.quotient_photosynthesis)
        w.carbon = max(20.0, w.carbon)
        w.ph = constants.ph(w.carbon * 1e-6, w.alkalinity * 1e-6, w.ph)
        free = constants.co2(w.carbon * 1e-6, w.ph) * 1e6
        w.carbon += 0.9 * share_air * (constants.k0 * p.co2_air - free)  # CO2 moves 0.9 times as fast as oxygen (Schmidt numbers)


def _running(hour: float, start: float, end: float) -> bool:
    return start <= hour < end if start <= end else hour >= start or hour < end


def _saturation(temperature: float, salinity: float) -> float:
    return oxygen.saturation(min(max(temperature, 0.0), 40.0), min(max(salinity, 0.0), 42.0))


def _carbon_at(constants: Constants, alkalinity: float, co2: float) -> float:
    """Return inorganic carbon (µmol/L) in equilibrium with `co2` µatm at `alkalinity` µmol/L, by bisection on pH."""
    free, low, high, carbon = constants.k0 * co2 * 1e-6, 6.0, 10.0, 0.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        h: float = 10.0**-middle
        carbon = free * (h * h + constants.k1 * h + constants.k1 * constants.k2) / (h * h)
        if constants.alkalinity(carbon, h) > alkalinity * 1e-6:
            high = middle
        else:
            low = middle
    return carbon * 1e6


def _vapour(temperature: float) -> float:
    """Return saturation vapour pressure, mmHg (Raudkivi 1979, in Chapra)."""
    return 4.596 * math.exp(17.27 * temperature / (237.3 + temperature))


def _wind_factor(wind: float) -> float:
    """Return Brady, Graves & Geyer's wind function, cal/cm²/d/mmHg (in Chapra), from wind at 10 m."""
    at_seven = 0.95 * wind
    return 19.0 + 0.95 * at_seven * at_seven


def _heat(w: Water, weather: Conditions, albedo: float) -> float:
    """Return net heat into the surface, W/m²."""
    air_vapour = _vapour(weather.air) * weather.humidity / 100.0
    sky = _SIGMA * (weather.air + 273.15) ** 4 * (0.6 + 0.031 * math.sqrt(air_vapour)) * 0.97 * (1.0 + 0.17 * weather.cloud**2)
    back = 0.97 * _SIGMA * (w.temperature + 273.15) ** 4
    wind = _wind_factor(weather.wind)
    lost = wind * (0.47 * (w.temperature - weather.air) + _vapour(w.temperature) - air_vapour)
    return (1.0 - albedo) * weather.radiation + _CAL * (sky - back - lost)


def _evaporation(w: Water, weather: Conditions) -> float:
    """Return evaporation, m/h; never dew."""
    flux = _CAL * _wind_factor(weather.wind) * (_vapour(w.temperature) - _vapour(weather.air) * weather.humidity / 100.0)
    return max(0.0, flux) * 3600.0 / 2.45e9


def _transfer(wind: float, temperature: float) -> float:
    """Return oxygen's transfer velocity, m/h; at least that of still water, 0.5 cm/h."""
    t = temperature
    schmidt = 1920.4 - 135.6 * t + 5.2122 * t * t - 0.10939 * t**3 + 0.00093777 * t**4
    return max(0.005, 0.00251 * wind * wind / math.sqrt(schmidt / 660.0))


def conductivity(salinity: float, temperature: float) -> float:
    """Return conductivity in mS/cm, to 2 %: PSS-78's standard scaled by salinity and temperature, as simple field meters do."""
    ratio: float = (salinity / 35.0) ** 0.93
    return 53.06 * ratio * (1.0 + 0.0200 * (temperature - 25.0))
