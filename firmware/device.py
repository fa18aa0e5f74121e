"""The node on the board: put together from ``config.json`` (`firmware.main`), run for ever, or for one cycle between deep sleeps."""

import asyncio
import gc
import os

from firmware import files, sleep
from firmware.board import Esp32, eui64
from firmware.clock import BoardClock
from firmware.dialling import dialer
from firmware.ledger import Ledger
from firmware.link import Link
from firmware.main import WATCHDOG_MS
from firmware.modules import drop
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue
from firmware.settings import Settings
from firmware.shelf import DRIVERS, Shelf
from firmware.supply import Supply
from firmware.version import VERSION
from firmware.watchdog import Watchdog
from firmware.wifi import Wifi

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.bootguard import BootGuard
    from firmware.boundaries import Module
    from firmware.sleep import State
    from firmware.technician import Technician

_CYCLE_LIMIT = 45.0  # real seconds awake between two deep sleeps
_CAME_UP = 600.0  # real seconds after which a boot has not failed; one that hangs is ended by the watchdog before
_TRIAL_LASTS = 1800.0  # real seconds that a new firmware has to get an acknowledgement


class Device:
    """Everything of one board, put together.

    Parameters
    ----------
    machine, network, esp32 : the board's modules
    config, path : see `firmware.main`
    guard : counts this boot, ``None`` after a deep sleep
    saved : what the cycle before a deep sleep saved (`firmware.sleep`), ``None`` at a cold start
    """

    def __init__(
        self,
        machine: "Module",
        network: "Module",
        esp32: "Module",
        config: "dict[str, Any]",
        guard: "BootGuard | None",
        saved: "State | None",
        path: str,
    ) -> None:
        self._machine, self._esp32, self._config, self._guard, self._path = machine, esp32, config, guard, path
        self._root = root = config.get("root", "")
        self._rtc = machine.RTC()
        self._trial = files.load(root + "/update.json").get("installed") == VERSION
        self._clock = BoardClock(self._rtc, saved[3] if saved else None)
        self._ledger = Ledger(root + "/calibration.json")
        supply = None
        if "battery_pin" in config:
            supply = Supply(machine.ADC(machine.Pin(config["battery_pin"]), atten=machine.ADC.ATTN_11DB))
        queue = FlashQueue(root + "/queue")
        if saved is not None:
            queue.ack(saved[0], saved[2])
        self._wifi = Wifi(network.WLAN(network.WLAN.IF_STA), config["networks"])
        self._watchdog = Watchdog(machine.WDT(timeout=WATCHDOG_MS).feed, {"sending": 240.0})
        self._helper: "Technician | None" = None
        node = config.get("node") or eui64(machine.unique_id())
        self._shelf = Shelf(machine, config, self._ledger)
        self._node = Node(
            NodeConfig(node, interval=config.get("interval", 900)),
            clock=self._clock,
            probes=self._shelf,
            queue=queue,
            link=Link(dialer(config, node, self._wifi, self._clock)),
            board=Esp32(machine, self._wifi, supply, root + "/crash.json"),
            settings=Settings(root + "/settings.json"),
            ledger=self._ledger,
            commands=self._commands(),
            mark=self._watchdog.mark,
            on_good=self._good,
            resume=(saved[0], saved[1]) if saved else None,
        )

    # -- commands -----------------------------------------------------------------------------------------------------------------------

    def _commands(self) -> "dict[str, Any]":
        commands: "dict[str, Any]" = {"restart": self._restart}
        for name in ("stay", "probe", "calibrate", "calibrations", "test"):
            commands[name] = self._technician
        if "public_key" in self._config:
            commands["update"], commands["piece"] = self._update, self._piece
        return commands

    async def _technician(self, message: "dict[str, Any]") -> "dict[str, Any]":
        gc.collect()
        if self._helper is None:
            from firmware.technician import Technician  # noqa: PLC0415 (needed a few times a year)

            self._helper = Technician(self._config, self._machine, self._clock, self._ledger, self._node, self._wifi)
        try:
            return await self._helper.carry_out(message)
        finally:
            drop("firmware.calibration", *DRIVERS)

    def _update(self, message: "dict[str, Any]") -> None:
        """Note the offer and restart into the rescue, which answers it: an update does not fit into memory beside the node."""
        files.save(self._root + "/offer.json", message)
        self._restart(message)

    def _piece(self, message: "dict[str, Any]") -> "dict[str, Any]":  # noqa: ARG002
        raise ValueError("no update is under way; offer its manifest first")

    def _restart(self, message: "dict[str, Any]") -> "dict[str, Any]":  # noqa: ARG002
        asyncio.create_task(self._restart_soon())  # noqa: RUF006 (the board is gone before it could be collected)
        self._node.stay(60)
        return {"restarting": True}

    async def _restart_soon(self) -> None:
        await asyncio.sleep(2)  # the reply goes out first
        self._machine.reset()

    # -- life ---------------------------------------------------------------------------------------------------------------------------

    def _good(self) -> None:
        """Note that this firmware works: the gateway has acknowledged a sample."""
        self._came_up()
        self._keep_config()
        if self._trial:
            from firmware import slots  # noqa: PLC0415

            slots.confirm(self._root)
            self._trial = False
            files.save(self._root + "/update.json", {})
            if self._config.get("sleep"):
                self._restart({})  # from now on it sleeps again
        try:
            self._esp32.Partition.mark_app_valid_cancel_rollback()
        except OSError:
            pass  # a board without a second app partition

    def _keep_config(self) -> None:
        if self._guard is None:
            return  # awake from deep sleep: the cold start before has kept it
        try:
            if files.load(self._path + ".good") != self._config:
                files.save(self._path + ".good", self._config)
            os.remove(self._root + "/crash.json")
        except OSError:
            pass  # most often: there was no crash

    def _save(self) -> None:
        boot = self._node.boot
        sleep.save(self._rtc, boot, self._node.seq, self._node.queue.acked(boot), self._clock.origin)

    def _came_up(self) -> None:
        """Note that this boot did not fail, whether or not there is a gateway in reach: a power cut is no mistake of ours."""
        if self._guard is not None:
            self._guard.good()

    async def _last(self) -> None:
        await asyncio.sleep(_CAME_UP)
        self._came_up()

    async def _end_of_trial(self) -> None:
        """Restart where a new firmware has not proved itself and must be taken back."""
        if self._trial:
            await asyncio.sleep(self._config.get("trial", _TRIAL_LASTS))
            if self._trial:
                from firmware import slots  # noqa: PLC0415 (as in `_good`)

                slots.end_trials(self._root)
                files.save(self._root + "/update.json", {})
                self._machine.reset()

    async def run(self) -> None:
        """Run for ever, or for one cycle and then sleep."""
        feeding = asyncio.create_task(self._watchdog.run())
        ending = asyncio.create_task(self._end_of_trial())
        lasting = asyncio.create_task(self._last())
        try:
            if self._trial or not self._config.get("sleep"):
                await self._node.run()
                return
            if "probe_power" in self._config:  # the switch pulls itself off while the chip sleeps
                self._machine.Pin(self._config["probe_power"], self._machine.Pin.OUT).value(1)
                await asyncio.sleep(self._config.get("warm_up", 2))
            await self._node.once(max(_CYCLE_LIMIT, self._node.config.awake_for))
            self._save()
            self._came_up()
        finally:
            feeding.cancel()
            ending.cancel()
            lasting.cancel()
        self._machine.deepsleep(self._node.config.interval * self._node.board_stretch() * 1000)
