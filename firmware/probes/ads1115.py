"""Analog pH and galvanic oxygen probes behind an ADS1115, with the compensation that vendors' code leaves out.

Source of the registers: Texas Instruments SBAS444 (ADS1115 data sheet), section 9.6. The water formulae are `vuong.water`'s.
"""

import asyncio

from firmware.probes import DISCONNECTED, NO_ANSWER, OK, OUT_OF_RANGE
from vuong.quantities import QUANTITIES
from vuong.water import oxygen, ph

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import I2C, Sleep

_CONVERSION, _CONFIG = b"\x00", 0x01
_FULL_SCALE = 4096.0  # mV, PGA = ±4.096 V
_TRIES = 5


class ConverterError(Exception):
    """No conversion; its text is the probe's status."""


class Ads1115:
    """The converter: four single-ended inputs."""

    def __init__(self, i2c: "I2C", address: int = 0x48, sleep: "Sleep" = asyncio.sleep) -> None:
        self._i2c, self._address, self._sleep = i2c, address, sleep

    async def millivolts(self, channel: int) -> float:
        """Return one conversion of input 0–3, mV.

        Raises
        ------
        ConverterError
            if the chip does not answer or finish, or the input is at the end of its range
        """
        # start, single-shot, input against ground, ±4.096 V, 128 samples/s, no comparator
        config = 0x8000 | (4 + channel) << 12 | 0x0200 | 0x0100 | 0x0080 | 0x0003
        try:
            self._i2c.writeto(self._address, bytes([_CONFIG, config >> 8, config & 0xFF]))
            for _ in range(_TRIES):
                await self._sleep(0.009)
                self._i2c.writeto(self._address, bytes([_CONFIG]))
                if self._i2c.readfrom(self._address, 2)[0] & 0x80:
                    break
            else:
                raise ConverterError("busy")
            self._i2c.writeto(self._address, _CONVERSION)
            raw = self._i2c.readfrom(self._address, 2)
        except OSError:
            raise ConverterError(NO_ANSWER)  # noqa: B904 (MicroPython does not chain)
        code = raw[0] << 8 | raw[1]
        if code & 0x8000:
            code -= 0x10000
        if code >= 0x7FF0:
            raise ConverterError(DISCONNECTED)  # an open input of the amplifier drifts to the rail
        return code * _FULL_SCALE / 32768


class AnalogPh:
    """A glass electrode behind an amplifier.

    Parameters
    ----------
    zero, gain : the amplifier: output in mV at 0 mV of the electrode, and mV out per mV in (negative where it inverts)
    slope, offset : the newest calibration (`firmware.calibration`): percent of Nernst's, and mV at pH 7
    """

    quantity = "ph"

    def __init__(
        self, adc: Ads1115, channel: int, *, zero: float = 1500.0, gain: float = 3.0, slope: float = 100.0, offset: float = 0.0
    ) -> None:
        self._adc, self._channel, self._zero, self._gain = adc, channel, zero, gain
        self.slope, self.offset = slope, offset

    async def electrode(self) -> float:
        """Return the electrode's voltage, mV; errors as in `Ads1115.millivolts`."""
        return (await self._adc.millivolts(self._channel) - self._zero) / self._gain

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading at the water's temperature, 25 °C where that is not known; see `firmware.probes`."""
        try:
            value = ph.from_millivolts(await self.electrode(), water.get("temperature", 25.0), self.slope, self.offset)
        except ConverterError as error:
            return None, "pH", str(error)
        except ValueError:
            return None, "pH", OUT_OF_RANGE
        return (value, "pH", OK) if 0.0 <= value <= 14.0 else (None, "pH", OUT_OF_RANGE)


class GalvanicOxygen:
    """A galvanic oxygen cell: its voltage follows the oxygen's partial pressure and, through the membrane, temperature.

    Parameters
    ----------
    air, air_temperature : the newest calibration: mV in air-saturated water or moist air, and °C there
    zero : mV without oxygen
    membrane : relative change of the voltage per °C at equal partial pressure (makers print it as mV/°C over the mV at saturation)
    """

    quantity = "do"

    def __init__(
        self,
        adc: Ads1115,
        channel: int,
        *,
        air: float,
        air_temperature: float,
        zero: float = 0.0,
        membrane: float = 0.03,
        pressure: float = oxygen.ATMOSPHERE,
    ) -> None:
        self._adc, self._channel, self._membrane, self._pressure = adc, channel, membrane, pressure
        self.air, self.air_temperature, self.zero = air, air_temperature, zero

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; without a temperature there is none. Salinity counts as 0 where it is not known; see `firmware.probes`."""
        unit = QUANTITIES["do"].unit
        temperature = water.get("temperature")
        if temperature is None:
            return None, unit, "no temperature"
        try:
            voltage = await self._adc.millivolts(self._channel) - self.zero
            full = (self.air - self.zero) * (1.0 + self._membrane * (temperature - self.air_temperature))
            value = voltage / full * oxygen.saturation(temperature, water.get("salinity", 0.0), self._pressure)
        except ConverterError as error:
            return None, unit, str(error)
        except (ValueError, ZeroDivisionError):
            return None, unit, OUT_OF_RANGE
        low, high = QUANTITIES["do"].low, QUANTITIES["do"].high
        return (max(0.0, value), unit, OK) if low - 0.2 <= value <= high else (None, unit, OUT_OF_RANGE)
