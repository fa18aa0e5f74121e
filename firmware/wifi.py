"""Wi-Fi with several known networks: the strongest in reach is tried first, each for a limited time."""

import asyncio

from firmware.stopwatch import Stopwatch

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Sleep, Wlan


class Wifi:
    """The station interface.

    Parameters
    ----------
    wlan : ``network.WLAN(network.WLAN.IF_STA)``
    networks : name → password
    limit : seconds that one network gets

    Attributes
    ----------
    ssid : network that took us last
    """

    def __init__(self, wlan: "Wlan", networks: "dict[str, str]", *, limit: float = 15.0, sleep: "Sleep" = asyncio.sleep) -> None:
        self._wlan, self._networks, self._limit, self._sleep = wlan, networks, limit, sleep
        self.ssid: "str | None" = None

    def rssi(self) -> "int | None":
        """Return the strength of the present network, dBm."""
        return self._wlan.status("rssi") if self._wlan.isconnected() else None

    async def up(self) -> None:
        """Be connected when this returns.

        Raises
        ------
        OSError
            if no known network takes us
        """
        if self._wlan.isconnected():
            return
        self._wlan.active(False)  # a radio that lost its network is cleaner after a restart
        self._wlan.active(True)
        for name in self._order():
            self._wlan.connect(name, self._networks[name])
            waited = Stopwatch()
            while waited.seconds() < self._limit:
                if self._wlan.isconnected():
                    self.ssid = name
                    return
                await self._sleep(0.2)
            self._wlan.disconnect()
        raise OSError("no known Wi-Fi network takes us")

    def _order(self) -> "list[str]":
        """Return the known networks in reach, the strongest first; all of them where the scan fails. A hidden network is never in reach."""
        strength: "dict[str, int]" = {}
        try:
            for found in self._wlan.scan():
                name, rssi = str(found[0], "utf-8"), found[3]
                if name in self._networks:
                    strength[name] = max(rssi, strength.get(name, -200))
        except (OSError, ValueError):
            return list(self._networks)
        return sorted(strength, key=lambda name: -strength[name])
