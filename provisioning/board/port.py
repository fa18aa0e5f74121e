"""Find the serial port of the board, and say what keeps it from being used."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from typing import Final, Protocol

from provisioning.failure import Failure, WrongCall

# USB makers of the bridges on ESP32 boards: Silicon Labs CP210x, WCH CH34x, FTDI, Espressif's own.
_VENDORS: Final = {0x10C4, 0x1A86, 0x0403, 0x303A}


class Listed(Protocol):
    """What ``serial.tools.list_ports`` says of a port."""

    device: str
    vid: int | None


def choose(listed: Iterable[Listed]) -> str:
    """Return the one port at which a board may be.

    Raises
    ------
    Failure
        if there is none
    WrongCall
        if there are several
    """
    found = sorted(port.device for port in listed if port.vid in _VENDORS)
    if not found:
        raise Failure("port_none")
    if len(found) > 1:
        raise WrongCall("port_many", ports=", ".join(found), first=found[0])
    return found[0]


def find(given: str | None) -> str:
    """Return the port that was given, else the one that is found; see `choose`."""
    if given:
        return given
    from serial.tools.list_ports import comports  # noqa: PLC0415

    return choose(comports())


def failure(port: str, error: Exception) -> Failure:
    """Return why a port cannot be opened."""
    number = getattr(error, "errno", None)
    text = str(error)
    if number is None and (stated := re.search(r"\[Errno (\d+)\]", text)):
        number = int(stated[1])
    if number == errno.EACCES or "Permission denied" in text or "PermissionError" in text:
        return Failure("port_permission", port=port)
    # esptool itself says "busy or doesn't exist" of both: the system's number goes first.
    if number == errno.ENOENT or (number is None and ("FileNotFoundError" in text or "doesn't exist" in text)):
        return Failure("port_gone", port=port)
    if number in {errno.EBUSY, errno.EAGAIN} or (number is None and "busy" in text) or "exclusively lock" in text:
        return Failure("port_busy", port=port)
    return Failure("port_broken", port=port, problem=text.splitlines()[0])
