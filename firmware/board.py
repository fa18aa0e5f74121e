"""What the board knows of itself."""

import binascii
import gc

from firmware import files
from firmware.supply import NORMAL

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Module
    from firmware.supply import Supply
    from firmware.wifi import Wifi

_RESETS = {1: "power on", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}


def eui64(mac: bytes) -> str:
    """Return the EUI-64 of a MAC address: ``fffe`` in its middle (IEEE registration authority guidelines)."""
    return binascii.hexlify(mac[:3] + b"\xff\xfe" + mac[3:6]).decode()


class Esp32:
    """See `firmware.boundaries.Board`.

    Parameters
    ----------
    crash : file with the error that ended an earlier boot
    """

    def __init__(self, machine: "Module", wifi: "Wifi", supply: "Supply | None", crash: str) -> None:
        self._machine, self._wifi, self._supply = machine, wifi, supply
        self._crash = files.load(crash).get("error")

    def health(self) -> "dict[str, Any]":
        """Return what the status message tells."""
        free: "Any" = getattr(gc, "mem_free", int)
        health: "dict[str, Any]" = {
            "heap": free(),
            "rssi": self._wifi.rssi(),
            "reset": _RESETS.get(self._machine.reset_cause(), "?"),
        }
        if self._crash:
            health["crash"] = self._crash
        if self._supply is not None:
            health["battery"] = round(self._supply.volts(), 2)
        return health

    def stage(self) -> str:
        """Return the stage of the supply."""
        return self._supply.stage() if self._supply is not None else NORMAL

    def stretch(self) -> int:
        """Return the factor by which the interval grows."""
        return self._supply.stretch() if self._supply is not None else 1

    def may_write(self) -> bool:
        """Return whether the supply is good enough for the flash."""
        return self._supply is None or self._supply.may_write()
