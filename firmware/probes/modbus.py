"""RS485 probes that speak Modbus RTU: adding a probe is adding rows to `REGISTERS`.

Source of the framing: Modbus over serial line 1.02 and application protocol 1.1b3 (modbus.org). Of the registers: each row's own.
"""

import asyncio
import struct

from firmware.probes import GARBLED, NO_ANSWER, OK, OUT_OF_RANGE
from vuong.quantities import QUANTITIES
from vuong.water import oxygen

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.assembly import Buses, Spec
    from firmware.boundaries import Sleep, Uart
    from firmware.ledger import Ledger

# (probe, quantity): function, first register, layout of the answer, place in it, factor to the quantity's unit.
# The quantity "saturation" becomes dissolved oxygen with temperature and salinity of the sample.
# Yosemitech rows: as the EnviroDIY library YosemitechModbus reads them (secondary: look into the maker's manual of your probe before trusting them).
REGISTERS = {
    ("y504", "temperature"): (3, 0x2600, "<ff", 0, 1.0),
    ("y504", "saturation"): (3, 0x2600, "<ff", 1, 1.0),
    ("y532", "ph"): (3, 0x2800, "<f", 0, 1.0),
    ("y532", "temperature"): (3, 0x2400, "<f", 0, 1.0),
    ("y520", "conductivity"): (3, 0x2600, "<ff", 1, 1.0),
    # The layout most makers use, big-endian at register 0: mg/L and °C.
    ("float-be", "do"): (3, 0x0000, ">ff", 0, 1.0),
    ("float-be", "temperature"): (3, 0x0000, ">ff", 1, 1.0),
}


class ModbusError(Exception):
    """No usable answer; its text is the probe's status."""


def crc16(data: "bytes | bytearray") -> bytes:
    """Return the CRC of a frame, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return bytes([crc & 0xFF, crc >> 8])


class Bus:
    """One RS485 line.

    Parameters
    ----------
    uart : as ``machine.UART``: ``write(data)``, ``read()`` returning ``None`` where nothing came; 4800 or 9600 baud
    limit : longest wait for an answer, s
    tries : frames sent before a probe counts as silent
    """

    def __init__(self, uart: "Uart", *, limit: float = 0.5, tries: int = 3, sleep: "Sleep" = asyncio.sleep) -> None:
        self._uart, self._limit, self._tries, self._sleep = uart, limit, tries, sleep

    async def registers(self, unit: int, function: int, first: int, count: int) -> bytes:
        """Return the bytes of `count` registers.

        Raises
        ------
        ModbusError
            if no try brought a sound answer
        """
        request = struct.pack(">BBHH", unit, function, first, count)
        reason = NO_ANSWER
        for _ in range(self._tries):
            self._uart.read()  # what noise left behind
            self._uart.write(request + crc16(request))
            answer, waited = b"", 0.0
            while len(answer) < 5 + 2 * count and waited < self._limit:
                await self._sleep(0.02)
                waited += 0.02
                answer += self._uart.read() or b""
                if len(answer) == 5 and answer[1] & 0x80:
                    break
            if not answer:
                continue
            if len(answer) < 5 or crc16(answer[:-2]) != answer[-2:] or answer[0] != unit:
                reason = GARBLED
            elif answer[1] == function | 0x80:
                raise ModbusError(f"exception {answer[2]}")
            elif answer[1] != function or answer[2] != 2 * count:
                reason = GARBLED
            else:
                return answer[3:-2]
        raise ModbusError(reason)


class ModbusProbe:
    """One quantity of one probe on the line.

    Parameters
    ----------
    probe, name : key of `REGISTERS`
    unit : the probe's address, 1–247
    """

    def __init__(self, bus: Bus, unit: int, probe: str, name: str) -> None:
        self._bus, self._unit, self._saturation = bus, unit, name == "saturation"
        self.quantity = "do" if self._saturation else name
        self._row = REGISTERS[probe, name]

    async def read(self, water: "dict[str, float]") -> "tuple[float | None, str, str]":
        """Take one reading; see `firmware.probes`."""
        quantity = QUANTITIES[self.quantity]
        function, first, layout, place, factor = self._row
        try:
            data = await self._bus.registers(self._unit, function, first, struct.calcsize(layout) // 2)
            value = float(struct.unpack(layout, data)[place]) * factor
            if self._saturation:
                if "temperature" not in water:
                    return None, quantity.unit, "no temperature"
                value *= oxygen.saturation(water["temperature"], water.get("salinity", 0.0))
        except ModbusError as error:
            return None, quantity.unit, str(error)
        except ValueError:
            return None, quantity.unit, OUT_OF_RANGE
        # written so that NaN is out of range
        return (value, quantity.unit, OK) if quantity.low <= value <= quantity.high else (None, quantity.unit, OUT_OF_RANGE)


def make(spec: "Spec", buses: "Buses", ledger: "Ledger") -> ModbusProbe:  # noqa: ARG001
    """Return the probe of a description: see `firmware.assembly`."""
    pins = buses.pins
    bus = buses.shared("modbus", lambda: Bus(buses.machine.UART(1, pins.get("baud", 9600), tx=pins["tx"], rx=pins["rx"])))
    return ModbusProbe(bus, spec["unit"], spec["probe"], spec["quantity"])
