"""Weather at the water: radiation from the sun's height and a cloud process, air, wind, rain. Advanced in fixed steps, so repeatable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

from models.pond.parameters import Climate

STEP: Final = 300  # seconds
_DAY: Final = 86400.0


@dataclass(slots=True)
class Conditions:
    """What the weather is: W/m² of global radiation, cover 0–1, °C, %, m/s, mm/h."""

    radiation: float
    cloud: float
    air: float
    humidity: float
    wind: float
    rain: float


class Drift:
    """A mean-reverting random process (Ornstein-Uhlenbeck) with standard deviation `spread` and memory `tau` seconds."""

    __slots__ = ("_keep", "_kick", "_random", "value")

    def __init__(self, random: Random, spread: float, tau: float) -> None:
        self._random = random
        self._keep = math.exp(-STEP / tau)
        self._kick = spread * math.sqrt(1.0 - self._keep * self._keep)
        self.value = random.gauss(0.0, spread)

    def step(self) -> float:
        """Move on one step and return the value."""
        self.value = self._keep * self.value + self._random.gauss(0.0, self._kick)
        return self.value


def solar_hour(time: float, longitude: float) -> float:
    """Return the hour of mean solar time, 0 to 24."""
    return (time / 3600.0 + longitude / 15.0) % 24.0


def sun_height(time: float, latitude: float, longitude: float) -> float:
    """Return the cosine of the sun's zenith angle (Cooper 1969's declination), 0 when it is down."""
    day = time / _DAY % 365.25
    declination = math.radians(23.45) * math.sin(2.0 * math.pi * (284.0 + day) / 365.25)
    hour = math.pi * (solar_hour(time, longitude) - 12.0) / 12.0
    lat = math.radians(latitude)
    height = math.sin(lat) * math.sin(declination) + math.cos(lat) * math.cos(declination) * math.cos(hour)
    return max(0.0, height)


def clear_sky(height: float) -> float:
    """Return global radiation under a clear sky, W/m² (Haurwitz 1945)."""
    return 1098.0 * height * math.exp(-0.057 / height) if height > 0.005 else 0.0


class Weather:
    """One place's weather from `start` on; equal arguments give equal weather.

    Parameters
    ----------
    climate : monthly normals
    seed : chooses the days
    start : UTC seconds
    cloud_loss : share of radiation that full cover takes (Kasten & Czeplak 1980)
    """

    def __init__(self, climate: Climate, seed: int, start: int, cloud_loss: float = 0.75) -> None:
        self._climate, self._loss = climate, cloud_loss
        self._random = Random(f"weather/{seed}/{start}")
        self._spell = Drift(self._random, 0.8, 1.5 * _DAY)  # fair and dull days
        self._passing = Drift(self._random, 0.7, 1.5 * 3600)  # single clouds
        self._warm = Drift(self._random, 1.2, 2.5 * _DAY)
        self._gust = Drift(self._random, 0.45, 2.0 * 3600)
        self._raining, self._rain = 0.0, 0.0

    def step(self, time: float, cloud_at_least: float = 0.0) -> Conditions:
        """Return the weather of the step that begins at `time`; a scenario may ask for clouds."""
        c = self._climate
        month, share = _month(time)
        after = (month + 1) % 12

        def normal(values: tuple[float, ...]) -> float:
            return values[month] * (1.0 - share) + values[after] * share

        hour = solar_hour(time, c.longitude)
        mean = min(max(normal(c.cloud), 0.02), 0.98)
        cover = 1.0 / (
            1.0 + math.exp(-(math.log(mean / (1.0 - mean)) * 1.3 + 1.3 * self._spell.step() + 1.3 * self._passing.step()))
        )
        rain = self._shower(normal(c.rain), hour)
        cover = max(cover, cloud_at_least, 0.9 if rain else 0.0)
        height = sun_height(time, c.latitude, c.longitude)
        radiation = clear_sky(height) * (1.0 - self._loss * cover**3.4)
        low, high = normal(c.low), normal(c.high)
        # coolest at sunrise (6), warmest at 14: half cosines that meet there
        shape = (
            -math.cos(math.pi * (hour - 6.0) / 8.0) if 6.0 <= hour < 14.0 else math.cos(math.pi * ((hour - 14.0) % 24.0) / 16.0)
        )
        swing = 0.5 * (high - low) * (1.25 - 0.6 * cover)
        air = 0.5 * (low + high) + swing * shape + self._warm.step() - (1.5 if rain else 0.0)
        breeze = 1.0 + 0.45 * math.sin(math.pi * (hour - 9.0) / 12.0)
        wind = c.wind * breeze * math.exp(self._gust.step() - 0.1)
        humidity = min(100.0, max(30.0, normal(c.humidity) - 2.2 * swing * shape))
        return Conditions(radiation, cover, air, humidity, wind, rain)

    def _shower(self, monthly: float, hour: float) -> float:
        """Return rain in mm/h: showers of about 75 minutes and 12 mm, most of them in the afternoon."""
        chance = monthly / 30.0 / 12.0 * STEP / _DAY * (1.0 + 0.8 * math.cos(2.0 * math.pi * (hour - 16.0) / 24.0))
        draw = self._random.random()
        if self._raining <= 0.0 and draw < chance:
            self._raining = 900.0 + self._random.expovariate(1.0 / 3600.0)
            self._rain = self._random.expovariate(1.0 / 9.6)
        self._raining -= STEP
        return self._rain if self._raining > 0.0 else 0.0


def _month(time: float) -> tuple[int, float]:
    """Return the month (0 to 11) whose middle came last, and the share of the way to the next middle."""
    moment = datetime.fromtimestamp(time - 15.2 * _DAY, UTC)
    return moment.month - 1, min(1.0, (moment.day - 1 + moment.hour / 24.0) / 30.4)
