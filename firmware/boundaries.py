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
