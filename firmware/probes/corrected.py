"""A digital probe (EZO, Modbus, DS18B20) with the node's own calibration on top of the maker's.

Its raw reading is what the probe says; pH, which such a probe says in pH, becomes the voltage of an ideal electrode, so that one rule judges all
electrodes (`firmware.calibration`).
"""

from firmware.probes import OK, OUT_OF_RANGE
from vuong.quantities import QUANTITIES

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Probe

# quantity: the numbers of a calibration that changes nothing, and their names
NEUTRAL = {
    "ph": ((100.0, 0.0), ("slope", "offset")),
    "do": ((1.0, 0.0), ("factor", "zero")),
    "conductivity": ((1.0, 0.0), ("factor", "offset")),
    "temperature": ((0.0,), ("offset",)),
}


class Corrected:
    """See the module.

    Parameters
    ----------
    probe : the probe as its maker calibrated it
    numbers : as named in `NEUTRAL`
    """

    def __init__(self, probe: "Probe", numbers: "list[float]") -> None:
        self._probe, self.numbers = probe, numbers
        self.quantity = probe.quantity
        self.names = NEUTRAL[probe.quantity][1]

    async def raw(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Return the reading before this calibration: mV for pH, else in the quantity's unit."""
        said, unit, status = await self._probe.read(water)
        if said is None or status != OK:
            return None, unit, status
        if self.quantity != "ph":
            return said, unit, OK
        from vuong.water import ph  # noqa: PLC0415 (the other quantities do not need it)

        return (ph.ZERO_POINT - said) * ph.slope(water.get("temperature", 25.0)), "mV", OK

    def value(self, raw: float, water: "dict[str, float]") -> float:
        """Return the calibrated value of a raw reading."""
        first, numbers = self.numbers[0], self.numbers
        if self.quantity == "ph":
            from vuong.water import ph  # noqa: PLC0415

            return ph.from_millivolts(raw, water.get("temperature", 25.0), first, numbers[1])
        if self.quantity == "do":
            return max(0.0, first * (raw - numbers[1]))
        return raw + first if self.quantity == "temperature" else first * raw + numbers[1]

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; see `firmware.probes`."""
        raw, unit, status = await self.raw(water)
        quantity = QUANTITIES[self.quantity]
        if raw is None:
            return None, unit, status
        try:
            value = self.value(raw, water)
        except ValueError:
            return None, quantity.unit, OUT_OF_RANGE
        return (value, quantity.unit, OK) if quantity.low <= value <= quantity.high else (None, quantity.unit, OUT_OF_RANGE)
