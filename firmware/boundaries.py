"""What is handed to a node, as protocols. Only type checkers read this module; it does not go into the node's image."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from firmware.mqtt import Connection

OnMessage = Callable[[str, bytes], None]
Will = tuple[str, bytes]
Dial = Callable[[OnMessage, "Will | None"], Awaitable[Connection]]
Task = asyncio.Task[Any]
Values = dict[str, int]
Module = Any  # one of the board's own modules, or a bus made by it
Command = Callable[[dict[str, Any]], Any]  # the fields of the reply, a coroutine of them, or `None`: see `firmware.orders`


class HostClock(Protocol):
    """A host's clock, real or accelerated."""

    def now(self) -> float:
        """Return UTC seconds since 1970."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        ...


class Clock(Protocol):
    """The node's clock."""

    def now(self) -> "int | None":
        """Return UTC seconds since 1970, ``None`` while it is not known."""
        ...

    def uptime(self) -> int:
        """Return seconds since the cold start."""
        ...

    def set(self, utc: int) -> None:
        """Set UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        ...


class Rtc(Protocol):
    """``machine.RTC``."""

    def datetime(self, moment: tuple[int, ...], /) -> object:
        """Set the date."""
        ...


class Probe(Protocol):
    """See `firmware.probes`."""

    @property
    def quantity(self) -> str:
        """Row of the table of quantities."""
        ...

    async def read(self, water: dict[str, float], /) -> "tuple[float | None, str, str]":
        """Return value, unit, status."""
        ...


class Board(Protocol):
    """What the board knows of itself."""

    def health(self) -> dict[str, Any]:
        """Return any of battery (V), rssi (dBm), heap (B), reset (text)."""
        ...

    def stage(self) -> str:
        """Return the stage of the supply: see `firmware.supply`."""
        ...

    def stretch(self) -> int:
        """Return the factor by which the sampling interval grows."""
        ...

    def may_write(self) -> bool:
        """Return whether the supply is good enough for the flash."""
        ...


class Wlan(Protocol):
    """The part of ``network.WLAN`` that is used."""

    def active(self, on: bool, /) -> object:
        """Switch the radio."""
        ...

    def isconnected(self) -> bool:
        """Return whether there is a network and an address."""
        ...

    def scan(self) -> list[tuple[Any, ...]]:
        """Return networks in reach: name first, strength fourth."""
        ...

    def connect(self, name: str, password: str, /) -> object:
        """Begin to connect."""
        ...

    def disconnect(self) -> object:
        """Give up."""
        ...

    def status(self, what: str, /) -> int:
        """Return ``rssi``."""
        ...


class Sleep(Protocol):
    """``asyncio.sleep`` or a test's stand-in."""

    def __call__(self, seconds: float, /) -> Awaitable[None]:
        """Wait."""
        ...


class I2C(Protocol):
    """The part of ``machine.I2C`` that drivers use; OSError where nobody answers."""

    def writeto(self, address: int, data: bytes, /) -> object:
        """Send bytes to an address."""
        ...

    def readfrom(self, address: int, size: int, /) -> bytes:
        """Read bytes from an address."""
        ...


class OneWire(Protocol):
    """The part of ``onewire.OneWire`` that drivers use."""

    def reset(self) -> bool:
        """Return whether anybody is there."""
        ...

    def writebyte(self, value: int, /) -> object:
        """Send a byte."""
        ...

    def select_rom(self, rom: bytes, /) -> object:
        """Address one device."""
        ...

    def readinto(self, buffer: bytearray, /) -> object:
        """Fill a buffer."""
        ...


class Uart(Protocol):
    """The part of ``machine.UART`` that drivers use."""

    def write(self, data: bytes, /) -> object:
        """Send bytes."""
        ...

    def read(self) -> "bytes | None":
        """Return what came, ``None`` where nothing did."""
        ...


class Adc(Protocol):
    """The part of ``machine.ADC`` that drivers use."""

    def read_uv(self) -> int:
        """Return microvolts at the pin, with the chip's calibration."""
        ...


class Partition(Protocol):
    """The part of ``esp32.Partition`` that an update, and the reading of the program where it is not mapped, use."""

    def ioctl(self, operation: int, block: int, /) -> int:
        """4: number of blocks; 6: erase a block."""
        ...

    def readblocks(self, block: int, buffer: "bytearray | memoryview", offset: int, /) -> object:
        """Read."""
        ...

    def writeblocks(self, block: int, data: bytes, offset: int, /) -> object:
        """Program an erased part."""
        ...

    def set_boot(self) -> object:
        """Boot from it next time."""
        ...


class Slot(Protocol):
    """See `firmware.slots`."""

    capacity: int
    takes: str

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """Read a piece back."""
        ...

    def activate(self, size: int) -> None:
        """Run it from the next start on."""
        ...
