"""Byte-level fakes of the chips, from their data sheets, with the ways in which they fail."""

from __future__ import annotations

import errno
import itertools
import math
import random
import struct

from firmware.probes.ds18b20 import crc8
from firmware.probes.modbus import crc16


async def no_wait(seconds: float) -> None:
    """Stands in for `asyncio.sleep`."""


class FakeEzo:
    """An EZO circuit on I2C: remembers what it was told, answers with status, text and NUL."""

    def __init__(self, address: int, answer: str) -> None:
        self.address, self.answer = address, answer
        self.commands: list[str] = []
        self.pending = 0
        self.status: int | None = None
        self.there = True
        self._reply = b""

    def writeto(self, address: int, data: bytes) -> None:
        if address != self.address or not self.there:
            raise OSError(errno.ENODEV, "NACK")
        self.commands.append(data.decode())
        self._reply = b"\x01" + (self.answer.encode("latin-1") if data == b"R" else b"") + b"\x00"

    def readfrom(self, address: int, size: int) -> bytes:
        if address != self.address or not self.there:
            raise OSError(errno.ENODEV, "NACK")
        if self.pending:
            self.pending -= 1
            return b"\xfe" + b"\x00" * (size - 1)
        if self.status is not None:
            return bytes([self.status]) + b"\x00" * (size - 1)
        return self._reply + b"\xff" * (size - len(self._reply))


class FakeAds1115:
    """The converter's two registers; `millivolts` at each input."""

    def __init__(self, millivolts: list[float]) -> None:
        self.millivolts = millivolts
        self.config, self.pointer = 0x8583, 0
        self.there, self.hangs = True, False

    def writeto(self, address: int, data: bytes) -> None:
        if address != 0x48 or not self.there:
            raise OSError(errno.ENODEV, "NACK")
        self.pointer = data[0]
        if len(data) == 3 and data[0] == 1:
            self.config = data[1] << 8 | data[2]

    def readfrom(self, address: int, size: int) -> bytes:
        if address != 0x48 or not self.there:
            raise OSError(errno.ENODEV, "NACK")
        if self.pointer == 1:
            return (self.config & 0x7FFF if self.hangs else self.config | 0x8000).to_bytes(2, "big")
        gain = {0: 6144, 1: 4096, 2: 2048, 3: 1024, 4: 512}.get(self.config >> 9 & 7, 256)
        code = round(self.millivolts[(self.config >> 12 & 7) - 4] * 32768 / gain)
        return max(-32768, min(32767, code)).to_bytes(2, "big", signed=True)


class FakeDs18b20:
    """The scratchpad; it holds 85 °C until a conversion has been asked for."""

    def __init__(self, celsius: float) -> None:
        self.celsius = celsius
        self.raw = 0x0550
        self.there = True
        self.noise = 0
        self.stuck: int | None = None
        self.loses_power = False
        self._last = 0

    def reset(self) -> bool:
        return self.there

    def select_rom(self, rom: bytes) -> None:
        assert crc8(rom) == 0

    def writebyte(self, value: int) -> None:
        self._last = value
        if value == 0x44 and not self.loses_power:
            self.raw = round(self.celsius * 16) & 0xFFFF

    def readinto(self, buffer: bytearray) -> None:
        pad = bytearray([self.raw & 0xFF, self.raw >> 8, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10])
        pad.append(crc8(pad))
        pad[2] ^= self.noise
        buffer[:] = pad if self.stuck is None else bytes([self.stuck]) * 9


class FakeModbus:
    """A probe on RS485 with holding registers; answers arrive in pieces, as from a real UART."""

    def __init__(self, unit: int, registers: dict[int, bytes]) -> None:
        self.unit, self.registers = unit, registers
        self.requests: list[bytes] = []
        self.silent_for = 0
        self.garble_for = 0
        self.exception: int | None = None
        self._pieces: list[bytes] = [b"\x00\xff"]  # line noise before anything was asked

    def write(self, data: bytes) -> None:
        assert crc16(data[:-2]) == data[-2:]
        self.requests.append(data)
        unit, function, first, count = struct.unpack(">BBHH", data[:-2])
        self._pieces = []
        if unit != self.unit:
            return
        if self.silent_for:
            self.silent_for -= 1
            return
        if self.exception is not None:
            reply = bytes([unit, function | 0x80, self.exception])
        else:
            reply = bytes([unit, function, 2 * count]) + self.registers[first][: 2 * count]
        reply += crc16(reply)
        if self.garble_for:
            self.garble_for -= 1
            reply = reply[:-1] + bytes([reply[-1] ^ 0x55])
        self._pieces = [reply[:3], reply[3:7], reply[7:]]

    def read(self) -> bytes | None:
        return self._pieces.pop(0) or None if self._pieces else None


class FakeClamp:
    """An SCT-013-030 around a wire, at an ADC input with its bias: the ADC's codes in µV, and the time that each conversion takes."""

    def __init__(self, ampere: float, *, bias: float = 1.3, hertz: float = 50.0, noise: float = 0.002) -> None:
        self.ampere, self.bias, self.hertz, self.noise = ampere, bias, hertz, noise
        self.microseconds = 0
        self._random = random.Random(3)

    def ticks_us(self) -> int:
        return self.microseconds

    def read_uv(self) -> int:
        self.microseconds += 90  # a conversion and its loop in MicroPython
        volts = self.ampere / 30.0 * math.sqrt(2) * math.sin(2 * math.pi * self.hertz * self.microseconds / 1e6)
        volts += self.bias + self._random.gauss(0.0, self.noise)
        return round(max(0.0, min(3.1, volts)) * 1e6)


class FakeDivider:
    """A voltage behind a divider by four; it saturates where the ADC does."""

    def __init__(self, *volts: float) -> None:
        self.volts = itertools.cycle(volts)

    def read_uv(self) -> int:
        return round(min(3.1, next(self.volts) / 4) * 1e6)
