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
    names = ("slope", "offset")

    def __init__(
        self, adc: Ads1115, channel: int, *, zero: float = 1500.0, gain: float = 3.0, slope: float = 100.0, offset: float = 0.0
    ) -> None:
        self._adc, self._channel, self._zero, self._gain = adc, channel, zero, gain
        self.numbers = [slope, offset]

    async def raw(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation yet)
        """Return the electrode's voltage, mV."""
        try:
            return (await self._adc.millivolts(self._channel) - self._zero) / self._gain, "mV", OK
        except ConverterError as error:
            return None, "mV", str(error)

    def value(self, raw: float, water: "dict[str, float]") -> float:
        """Return the pH of a voltage at the water's temperature, 25 °C where that is not known."""
        return ph.from_millivolts(raw, water.get("temperature", 25.0), self.numbers[0], self.numbers[1])

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; see `firmware.probes`."""
        return await _read(self, water, 0.0)


class GalvanicOxygen:
    """A galvanic oxygen cell: its voltage follows the oxygen's partial pressure and, through the membrane, temperature.

    Parameters
    ----------
    air, air_temperature : the newest calibration: mV in air-saturated water or moist air, and °C there
    zero : mV without oxygen
    membrane : relative change of the voltage per °C at equal partial pressure (makers print it as mV/°C over the mV at saturation)
    """

    quantity = "do"
    names = ("air", "air_temperature", "zero")

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
        self.numbers = [air, air_temperature, zero]

    async def raw(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation yet)
        """Return the cell's voltage, mV."""
        try:
            return await self._adc.millivolts(self._channel), "mV", OK
        except ConverterError as error:
            return None, "mV", str(error)

    def value(self, raw: float, water: "dict[str, float]") -> float:
        """Return mg/L of a voltage; salinity counts as 0 where it is not known."""
        air, air_temperature, zero = self.numbers
        temperature = water["temperature"]
        full = (air - zero) * (1.0 + self._membrane * (temperature - air_temperature))
        return (raw - zero) / full * oxygen.saturation(temperature, water.get("salinity", 0.0), self._pressure)

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; without a temperature there is none. See `firmware.probes`."""
        if "temperature" not in water:
            return None, QUANTITIES["do"].unit, "no temperature"
        return await _read(self, water, 0.2)


async def _read(probe: "AnalogPh | GalvanicOxygen", water: "dict[str, float]", below: float) -> "tuple[float | None, str, str]":
    """Return a probe's calibrated reading; what lies at most `below` under the range is noise around its lower end."""
    raw, _, status = await probe.raw(water)
    quantity = QUANTITIES[probe.quantity]
    if raw is None:
        return None, quantity.unit, status
    try:
        value = probe.value(raw, water)
    except (ValueError, ZeroDivisionError):
        return None, quantity.unit, OUT_OF_RANGE
    if not quantity.low - below <= value <= quantity.high:
        return None, quantity.unit, OUT_OF_RANGE
    return max(quantity.low, value), quantity.unit, OK
