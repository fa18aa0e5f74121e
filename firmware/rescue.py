"""The small program: link and update, nothing else. It runs where the node fails to come up (safe mode), and for the length of an update."""

import asyncio
import binascii
import json

from firmware import orders
from firmware.board import Esp32, eui64
from firmware.clock import BoardClock
from firmware.dialling import dialer
from firmware.errors import LINK_ERRORS
from firmware.link import Link
from firmware.main import WATCHDOG_MS
from firmware.modules import drop
from firmware.stopwatch import Stopwatch
from firmware.version import VERSION
from firmware.wifi import Wifi
from vuong.contract import topics

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.bootguard import BootGuard
    from firmware.boundaries import Module
    from firmware.update import Updater

    Message = dict[str, Any]

_SAFE_MODE_LASTS = 3600.0  # real seconds; then it tries the whole again
_SILENCE = 120.0  # real seconds after which a transfer counts as broken off


class Rescue:
    """See the module.

    Parameters
    ----------
    machine, network, esp32 : the board's modules
    config : see `firmware.main`
    offer : the update command that brought us here, empty in safe mode
    guard : the count of failed boots, in safe mode
    """

    def __init__(
        self,
        machine: "Module",
        network: "Module",
        esp32: "Module",
        config: "Message",
        offer: "Message",
        guard: "BootGuard | None",
    ) -> None:
        self._machine, self._esp32, self._config, self._guard = machine, esp32, config, guard
        self._root = config.get("root", "")
        self._clock = BoardClock(machine.RTC())
        self._wifi = Wifi(network.WLAN(network.WLAN.IF_STA), config["networks"])
        self._node = config.get("node") or eui64(machine.unique_id())
        self._board = Esp32(machine, self._wifi, None, self._root + "/crash.json")
        self._dog = machine.WDT(timeout=WATCHDOG_MS)
        self._link = Link(dialer(config, self._node, self._wifi, self._clock))
        self._orders: "list[Message]" = [offer] if offer else []
        self._due, self._over = True, False
        self._updater: "Updater | None" = None
        self._commands: "dict[str, Any]" = {"restart": self._restart}
        if "public_key" in config:
            self._commands["update"] = self._commands["piece"] = self._update
        will = {"state": "offline", "firmware": VERSION}
        self._link.attach(
            self._on_message, (self._topic(topics.STATUS), json.dumps(will).encode()), [self._topic(topics.COMMAND)], self._on_up
        )

    def _topic(self, channel: str) -> str:
        return topics.topic(self._node, channel)

    def _on_up(self) -> None:
        self._due = True

    def _on_message(self, _topic: str, payload: bytes) -> None:
        message = orders.parse(payload)
        if message is not None and len(self._orders) < orders.MOST_ORDERS:
            self._orders.append(message)

    async def run(self) -> None:
        """Serve until restarted, until a transfer breaks off, or until safe mode has lasted long enough."""
        heard = Stopwatch()
        replies: "list[Message]" = []
        limit = _SILENCE if self._guard is None else self._config.get("safe_mode", _SAFE_MODE_LASTS)
        linking = asyncio.create_task(self._link.run())
        while not self._over and heard.seconds() < limit:
            self._dog.feed()
            if self._orders:
                reply = await orders.obey(self._orders.pop(0), self._commands)
                if reply is not None:
                    replies.append(reply)
                heard.reset()
            if self._link.is_up:
                try:
                    await self._say(replies)
                except LINK_ERRORS:
                    pass  # the link opens another connection
            await asyncio.sleep(0.05)
        await self._link.stop()
        await linking
        if self._guard is not None:
            self._guard.good()  # the next boot tries the whole again

    async def _say(self, replies: "list[Message]") -> None:
        if self._due:
            self._due = False
            status: "Message" = {"state": "online", "firmware": VERSION, "mode": "update" if self._guard is None else "safe"}
            if self._guard is not None:
                status["probes"] = {"safe mode": "after repeated failed starts"}
            status.update(self._board.health())
            await self._link.publish(self._topic(topics.STATUS), json.dumps(status).encode(), retain=True)
        while replies:
            await self._link.publish(self._topic(topics.REPLY), json.dumps(replies[0]).encode())
            replies.pop(0)

    def _restart(self, message: "Message") -> "Message":  # noqa: ARG002
        asyncio.create_task(self._end())  # noqa: RUF006 (the board is gone before it could be collected)
        return {"restarting": True}

    async def _end(self) -> None:
        await asyncio.sleep(1)  # the reply goes out first
        self._over = True

    def _update(self, message: "Message") -> "Message":
        if self._updater is None:
            from firmware import slots  # noqa: PLC0415 (not before there is an update)
            from firmware.update import Updater  # noqa: PLC0415

            if self._config.get("update") == "image":
                slot = slots.PartitionSlot(self._esp32.Partition(self._esp32.Partition.RUNNING).get_next_update())
            else:
                slot = slots.RomSlot(slots.rom_partition(self._esp32), self._root)
            key = binascii.unhexlify(self._config["public_key"])
            self._updater = Updater(slot, self._root + "/update.json", key, VERSION)
        try:
            reply: "Message" = self._updater.commands()[message["do"]](message)
            return reply
        finally:
            drop("firmware.ed25519")
