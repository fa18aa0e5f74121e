"""What the chip's own converter measures: voltages behind a divider (solar panel), and the current of an aerator's motor through a clamp.

Both tell of the installation, not of the water: they are no rows of `vuong.quantities` and go into the status message under their name.

Sources: Espressif ESP32 data sheet and ESP-IDF "ADC calibration": 150 to 2450 mV at 11 dB attenuation. YHDC SCT-013-030 data sheet: current
transformer, 30 A in gives 1 V AC out, burden inside, no galvanic contact with the mains.
"""

import time
from math import sqrt

from firmware.probes import DISCONNECTED, NOISY, OK, OUT_OF_RANGE

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware.assembly import Buses, Spec
    from firmware.boundaries import Adc
    from firmware.ledger import Ledger

_LOWEST, _HIGHEST = 150000, 2450000  # µV between which the converter is linear
_ticks_us: "Callable[[], int]" = getattr(time, "ticks_us", lambda: time.monotonic_ns() // 1000)
_ticks_diff: "Callable[[int, int], int]" = getattr(time, "ticks_diff", lambda a, b: a - b)  # type: ignore[misc]


class Voltage:
    """A direct voltage behind a divider, the median of five readings.

    Parameters
    ----------
    name : under which it appears in the status
    ratio : voltage over that at the pin
    """

    def __init__(self, adc: "Adc", name: str, ratio: float) -> None:
        self._adc, self.quantity, self._ratio = adc, name, ratio

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation)
        """Take one reading; near 0 V (a panel at night) counts as 0; see `firmware.probes`."""
        values = sorted([self._adc.read_uv() for _ in range(5)])
        if values[4] >= _HIGHEST:
            return None, "V", OUT_OF_RANGE
        if values[4] - values[0] > 200000:
            return None, "V", NOISY
        return (values[2] * self._ratio / 1000000 if values[2] > _LOWEST else 0.0), "V", OK


class MotorCurrent:
    """The effective value of an alternating current over whole cycles of the mains.

    Parameters
    ----------
    adc : input with the clamp around a bias of half its range, 1.3 V
    ampere_per_volt : the clamp's ratio
    floor : A below which there is only noise, and the motor stands
    cycles, hertz : how long it looks
    ticks_us : running microseconds
    """

    quantity = "motor_current"

    def __init__(
        self,
        adc: "Adc",
        *,
        ampere_per_volt: float = 30.0,
        floor: float = 0.3,
        cycles: int = 5,
        hertz: int = 50,
        ticks_us: "Callable[[], int]" = _ticks_us,
    ) -> None:
        self._adc, self._ratio, self._floor, self._ticks = adc, ampere_per_volt, floor, ticks_us
        self._window = cycles * 1000000 // hertz

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation)
        """Take one reading; it blocks for the window, 100 ms; see `firmware.probes`."""
        start, count, lowest, highest = self._ticks(), 0, 2 * _HIGHEST, 0
        first = self._adc.read_uv()
        total = squares = 0.0  # of differences from the first reading, in mV: 32-bit floats hold no squares of µV
        while _ticks_diff(self._ticks(), start) < self._window:
            value = self._adc.read_uv()
            lowest, highest, count = min(lowest, value), max(highest, value), count + 1
            difference = (value - first) / 1000
            total += difference
            squares += difference * difference
        if count < 50:
            return None, "A", NOISY
        if highest < _LOWEST or lowest > _HIGHEST:
            return None, "A", DISCONNECTED  # the bias is gone: plug or divider
        if lowest < _LOWEST or highest > _HIGHEST:
            return None, "A", OUT_OF_RANGE  # clipped: the true value is higher
        mean = total / count
        ampere = sqrt(max(0.0, squares / count - mean * mean)) / 1000 * self._ratio
        return (ampere if ampere >= self._floor else 0.0), "A", OK


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> "MotorCurrent | Voltage":  # noqa: ARG001
    """Return the probe of a description: see `firmware.assembly`."""
    adc = buses.machine.ADC
    pin = adc(buses.machine.Pin(spec["pin"]), atten=adc.ATTN_11DB)
    if spec["kind"] == "solar":
        return Voltage(pin, "solar", spec.get("ratio", 4.0))
    return MotorCurrent(pin, ampere_per_volt=spec.get("ampere_per_volt", 30.0), hertz=spec.get("hertz", 50))
