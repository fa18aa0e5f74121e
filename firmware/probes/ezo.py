"""Atlas Scientific EZO circuits over I2C: pH, dissolved oxygen, conductivity, temperature.

A command is ASCII text; after its processing delay a read gives a status byte, then text up to a NUL. A circuit forgets its compensation when
power goes, so it is told temperature, salinity and pressure before each reading.

Source: EZO-pH, -DO, -EC and -RTD data sheets, I2C mode (Atlas Scientific).
"""

import asyncio

from firmware.probes import GARBLED, NO_ANSWER, OK, OUT_OF_RANGE
from vuong.quantities import QUANTITIES

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.boundaries import I2C, Sleep
    from firmware.ledger import Ledger

SUCCESS, SYNTAX_ERROR, PENDING, NO_DATA = 1, 2, 254, 255
_SETTING_DELAY = 0.3
_PENDING_TRIES = 4

# quantity: I2C address, processing delay of a reading in s, factor from the circuit's unit to the quantity's
CIRCUITS = {
    "ph": (0x63, 0.9, 1.0),
    "do": (0x61, 0.6, 1.0),
    "conductivity": (0x64, 0.6, 0.001),  # µS/cm
    "temperature": (0x66, 0.6, 1.0),
}


class EzoError(Exception):
    """A circuit did not do what it was told; its text is the probe's status."""


class Ezo:
    """One circuit.

    Parameters
    ----------
    i2c : bus with ``writeto(address, data)`` and ``readfrom(address, size)`` that raise OSError where nobody answers
    quantity : key of `CIRCUITS`
    pressure : of the air, kPa; for dissolved oxygen
    salinity : ‰, used for dissolved oxygen where the sample holds none
    """

    def __init__(
        self,
        i2c: "I2C",
        quantity: str,
        *,
        address: "int | None" = None,
        pressure: float = 101.3,
        salinity: float = 0.0,
        sleep: "Sleep" = asyncio.sleep,
    ) -> None:
        self.quantity = quantity
        self._i2c, self._sleep, self._pressure, self._salinity = i2c, sleep, pressure, salinity
        self._address, self._delay, self._factor = CIRCUITS[quantity]
        if address is not None:
            self._address = address

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Compensate and take one reading; see `firmware.probes`."""
        unit = QUANTITIES[self.quantity].unit
        try:
            for setting in self.settings(water):
                await self._ask(setting, _SETTING_DELAY)
            text = await self._ask("R", self._delay)
            value = float(text.split(",")[0]) * self._factor
        except EzoError as error:
            return None, unit, str(error)
        except ValueError:
            return None, unit, GARBLED
        low, high = QUANTITIES[self.quantity].low, QUANTITIES[self.quantity].high
        # the temperature circuit says -1023 where its probe is not connected
        return (value, unit, OK) if low <= value <= high else (None, unit, OUT_OF_RANGE)

    def settings(self, water: "dict[str, float]") -> "list[str]":
        """Return the commands that must precede a reading in this water."""
        if self.quantity == "conductivity":
            return [
                "T,25.0"
            ]  # its neutral point: what it says is then the conductivity at the water's own temperature, which PSS-78 wants
        if self.quantity == "temperature" or "temperature" not in water:
            return []
        commands = [f"T,{water['temperature']:.2f}"]
        if self.quantity == "do":
            commands.append(f"S,{water.get('salinity', self._salinity):.1f},ppt")
            commands.append(f"P,{self._pressure:.1f}")
        return commands

    async def _ask(self, command: str, delay: float) -> str:
        answer = b"\xfe"
        try:
            self._i2c.writeto(self._address, command.encode())
            for _ in range(_PENDING_TRIES):
                await self._sleep(delay)
                answer = self._i2c.readfrom(self._address, 32)
                if answer[0] != PENDING:
                    break
                delay = _SETTING_DELAY
        except OSError:
            raise EzoError(NO_ANSWER)  # noqa: B904 (MicroPython does not chain)
        if answer[0] != SUCCESS:
            raise EzoError(
                {SYNTAX_ERROR: "refused " + command, PENDING: "busy", NO_DATA: "no data"}.get(answer[0], f"status {answer[0]}")
            )
        try:
            return str(answer[1:].split(b"\x00")[0], "utf-8")
        except ValueError:
            raise EzoError(GARBLED)  # noqa: B904


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> Ezo:  # noqa: ARG001 (EZO circuits keep their own calibration)
    """Return the probe of a description: see `firmware.assembly`."""
    return Ezo(buses.i2c(), spec["quantity"], pressure=spec.get("pressure", 101.3), salinity=spec.get("salinity", 0.0))
