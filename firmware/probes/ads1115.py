"""The ADS1115 converter, behind which analog probes are read.

Source of the registers: Texas Instruments SBAS444 (ADS1115 data sheet), section 9.6.
"""

import asyncio

from firmware.probes import DISCONNECTED, NO_ANSWER, OK, OUT_OF_RANGE
from vuong.quantities import QUANTITIES

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

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


async def calibrated(probe: "Any", water: "dict[str, float]", below: float) -> "tuple[float | None, str, str]":  # noqa: ANN401 (a probe that can be calibrated: `firmware.probes`)
    """Return the calibrated reading of a probe behind the converter; what lies at most `below` under the range is noise around its lower end."""
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
