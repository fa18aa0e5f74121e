"""DS18B20 thermometer on 1-Wire. Source: Maxim/Analog Devices DS18B20 data sheet, memory map and figure 5; CRC of application note 27."""

import asyncio

from firmware.probes import DISCONNECTED, GARBLED, NO_ANSWER, OK, OUT_OF_RANGE

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.boundaries import OneWire, Sleep
    from firmware.ledger import Ledger

_CONVERT, _READ = 0x44, 0xBE
_CONVERSION_TIME = 0.75  # 12 bits
_POWER_ON = 0x0550  # 85.0 °C: what it holds before its first conversion


def crc8(data: "bytes | bytearray") -> int:
    """Return the Dallas CRC of `data`; 0 where its last byte is the CRC of the others."""
    crc = 0
    for byte in data:
        for _ in range(8):
            mix = (crc ^ byte) & 1
            crc >>= 1
            if mix:
                crc ^= 0x8C
            byte >>= 1  # noqa: PLW2901 (bit by bit)
    return crc


class Ds18b20:
    """One thermometer.

    Parameters
    ----------
    bus : as MicroPython's ``onewire.OneWire``
    rom : its 8-byte address; ``None`` where it is alone on the bus
    """

    quantity = "temperature"

    def __init__(self, bus: "OneWire", rom: "bytes | None" = None, sleep: "Sleep" = asyncio.sleep) -> None:
        self._bus, self._rom, self._sleep = bus, rom, sleep

    def _select(self) -> bool:
        if not self._bus.reset():
            return False
        if self._rom is None:
            self._bus.writebyte(0xCC)
        else:
            self._bus.select_rom(self._rom)
        return True

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":  # noqa: ARG002 (no compensation)
        """Convert and read; see `firmware.probes`."""
        if not self._select():
            return None, "°C", NO_ANSWER
        self._bus.writebyte(_CONVERT)
        await self._sleep(_CONVERSION_TIME)
        if not self._select():
            return None, "°C", NO_ANSWER
        self._bus.writebyte(_READ)
        data = bytearray(9)
        self._bus.readinto(data)
        if bytes(data) == b"\xff" * 9:
            return None, "°C", DISCONNECTED  # the pull-up alone answers
        if crc8(data) or data[4] & 0x1F != 0x1F:  # a bus shorted to ground reads all zeros, whose CRC is right
            return None, "°C", GARBLED
        raw = data[0] | data[1] << 8
        if raw == _POWER_ON:
            return None, "°C", "no conversion"  # its supply broke down in between
        if raw & 0x8000:
            raw -= 0x10000
        value = raw / 16
        return (value, "°C", OK) if -5.0 <= value <= 50.0 else (None, "°C", OUT_OF_RANGE)


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> Ds18b20:  # noqa: ARG001
    """Return the probe of a description: see `firmware.assembly`."""
    from onewire import OneWire  # type: ignore[import-not-found]  # noqa: PLC0415 (only the board has it)

    return Ds18b20(buses.shared("onewire", lambda: OneWire(buses.machine.Pin(buses.pins["onewire"]))))
