"""The node on the board: put together from ``config.json``, run for ever, or for one cycle between deep sleeps.

``config.json``: ``networks`` (name → password), ``broker``, ``port``, and as wanted ``node`` (default: from the chip's MAC), ``user``, ``password``,
``tls`` (folder with ca.der and, for the client's own, node.der and node.key), ``pins``, ``probes`` (`firmware.assembly`), ``battery_pin``,
``sleep`` (true: deep sleep between samples), ``probe_power`` (pin that switches the probes' supply on in such a cycle),
``public_key`` (hex, for updates), ``root`` (where queue, settings and the rest lie).

Start: ``import firmware.main; firmware.main.run()`` from ``main.py``. A boot that never becomes good counts (`firmware.bootguard`); after some of
them the node starts in safe mode, without probes, so that it can still be updated.
"""

import asyncio
import binascii
import gc
import struct
import sys

from firmware import files
from firmware.bootguard import BootGuard
from firmware.clock import EPOCH, BoardClock
from firmware.ledger import Ledger
from firmware.link import Link
from firmware.mqtt import Connection
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue
from firmware.settings import Settings
from firmware.supply import NORMAL, Supply
from firmware.version import VERSION
from firmware.watchdog import Watchdog
from firmware.wifi import Wifi

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Dial, Module, OnMessage, Probe, Will
    from firmware.technician import Technician
    from firmware.update import Updater

_WATCHDOG_MS = 60000
_CYCLE_LIMIT = 45.0  # real seconds awake between two deep sleeps
_SAFE_MODE_LASTS = 3600.0  # real seconds; then it tries the whole again
_TRIAL_LASTS = 1800.0  # real seconds that a new firmware has to get an acknowledgement
_SAVED = "<IIIq"
_RESETS = {1: "power on", 2: "hard", 3: "watchdog", 4: "deep sleep", 5: "soft"}


def eui64(mac: bytes) -> str:
    """Return the EUI-64 of a MAC address: ``fffe`` in its middle (IEEE registration authority guidelines)."""
    return binascii.hexlify(mac[:3] + b"\xff\xfe" + mac[3:6]).decode()


class Esp32:
    """The board's own state: see `firmware.boundaries.Board`."""

    def __init__(self, machine: "Module", wifi: Wifi, supply: "Supply | None") -> None:
        self._machine, self._wifi, self._supply = machine, wifi, supply

    def health(self) -> "dict[str, Any]":
        """Return what the status message tells."""
        free: "Any" = getattr(gc, "mem_free", int)
        health: "dict[str, Any]" = {
            "heap": free(),
            "rssi": self._wifi.rssi(),
            "reset": _RESETS.get(self._machine.reset_cause(), "?"),
        }
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


def dialer(config: "dict[str, Any]", node: str, wifi: Wifi, clock: BoardClock) -> "Dial":
    """Return the link's `dial`: Wi-Fi, then the date where TLS needs one, then the broker."""

    async def dial(on_message: "OnMessage", will: "Will | None") -> Connection:
        await wifi.up()
        context = None
        if "tls" in config:
            from firmware import tls  # noqa: PLC0415 (what is not used is not loaded)

            if clock.now() is None:
                import ntptime  # type: ignore[import-not-found]  # noqa: PLC0415 (only the board has it)

                seconds: "Any" = ntptime.time()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                clock.set(int(seconds) + EPOCH)  # pyright: ignore[reportUnknownArgumentType]
            folder = config["tls"]
            own = [_read(folder, "node.der"), _read(folder, "node.key")] if config.get("client_certificate") else [None, None]
            context = tls.context(_read(folder, "ca.der") or b"", *own)
        return await Connection.open(
            config["broker"],
            config.get("port", 8883 if "tls" in config else 1883),
            node,
            on_message,
            user=config.get("user"),
            password=config.get("password"),
            will=will,
            tls=context,
        )

    return dial


def _read(folder: str, name: str) -> "bytes | None":
    with open(folder + "/" + name, "rb") as file:
        return file.read()


class Device:
    """Everything of one board, put together.

    Parameters
    ----------
    machine, network, esp32 : the board's modules
    config : see the module
    """

    def __init__(self, machine: "Module", network: "Module", esp32: "Module", config: "dict[str, Any]") -> None:
        self._machine, self._esp32, self.config = machine, esp32, config
        root = config.get("root", "")
        self.node_id = config.get("node") or eui64(machine.unique_id())
        self._rtc = machine.RTC()
        # A wake from deep sleep goes on where it was; anything else is a cold start.
        saved = self._saved() if machine.reset_cause() == machine.DEEPSLEEP_RESET else None
        self.guard = BootGuard(root + "/boots.json") if saved is None else None
        self.safe = self.guard is not None and self.guard.safe_mode
        self._updater: "Updater | None" = None
        self._update_path = root + "/update.json"
        self.trial = files.load(self._update_path).get("installed") == VERSION
        self.clock = BoardClock(self._rtc, saved[3] if saved else None)
        ledger = self._ledger = Ledger(root + "/calibration.json")
        self._helper: "Technician | None" = None
        supply = Supply(machine.ADC(machine.Pin(config["battery_pin"]))) if "battery_pin" in config else None
        queue = FlashQueue(root + "/queue")
        if saved is not None:
            queue.ack(saved[0], saved[2])
        self.wifi = Wifi(network.WLAN(network.WLAN.IF_STA), config["networks"])
        self.watchdog = Watchdog(machine.WDT(timeout=_WATCHDOG_MS).feed, {"sending": 240.0})
        self.node = Node(
            NodeConfig(self.node_id, interval=config.get("interval", 900)),
            clock=self.clock,
            probes=[] if self.safe else self._probes(ledger),
            queue=queue,
            link=Link(dialer(config, self.node_id, self.wifi, self.clock)),
            board=Esp32(machine, self.wifi, supply),
            settings=Settings(root + "/settings.json"),
            ledger=ledger,
            commands=self._commands(),
            mark=self.watchdog.mark,
            on_good=self._good,
            resume=(saved[0], saved[1]) if saved else None,
        )
        if self.safe:
            self.node.faults["safe mode"] = "after repeated failed starts"

    def _probes(self, ledger: Ledger) -> "list[Probe]":
        from firmware import assembly  # noqa: PLC0415

        made = assembly.probes(self.config.get("probes", []), assembly.Buses(self._machine, self.config.get("pins", {})), ledger)
        sys.modules.pop("firmware.assembly", None)  # its memory is needed for the rest of this life
        return made

    def _commands(self) -> "dict[str, Any]":
        commands: "dict[str, Any]" = {"restart": self._restart}
        for name in ("stay", "probe", "calibrate", "calibrations", "test"):
            commands[name] = self._technician
        if "public_key" in self.config:
            commands["update"] = commands["piece"] = self._update
        return commands

    def _technician(self, message: "dict[str, Any]") -> "Any":  # noqa: ANN401 (a coroutine, of another type on MicroPython)
        gc.collect()
        if self._helper is None:
            from firmware.technician import Technician  # noqa: PLC0415 (needed a few times a year)

            self._helper = Technician(self.config, self._machine, self.clock, self._ledger, self.node, self.wifi)
        return self._helped(message)

    async def _helped(self, message: "dict[str, Any]") -> "dict[str, Any]":
        assert self._helper is not None  # noqa: S101 (for the type checker)
        reply = await self._helper.carry_out(message)
        if message["do"] == "calibrate" and not self.safe:
            self.node.probes = self._probes(self._ledger)
        return reply

    def _update(self, message: "dict[str, Any]") -> "dict[str, Any]":
        gc.collect()
        if self._updater is None:
            from firmware import slots  # noqa: PLC0415 (most of its life a node needs neither)
            from firmware.update import Updater  # noqa: PLC0415

            if self.config.get("update") == "files":
                slot: "Any" = slots.FolderSlot(self.config.get("root", ""))
            else:
                slot = slots.PartitionSlot(self._esp32.Partition(self._esp32.Partition.RUNNING).get_next_update())
            self._updater = Updater(slot, self._update_path, binascii.unhexlify(self.config["public_key"]), VERSION)
        reply: "dict[str, Any]" = self._updater.commands()[message["do"]](message)
        return reply

    def _restart(self, message: "dict[str, Any]") -> "dict[str, Any]":  # noqa: ARG002
        asyncio.create_task(self._restart_soon())  # noqa: RUF006 (the board is gone before it could be collected)
        return {"restarting": True}

    async def _restart_soon(self) -> None:
        await asyncio.sleep(2)  # the reply goes out first
        self._machine.reset()

    def _good(self) -> None:
        """Note that this firmware works: the gateway has acknowledged a sample."""
        if self.guard is not None:
            self.guard.good()
        root = self.config.get("root", "")
        if self.trial:
            from firmware import slots  # noqa: PLC0415

            slots.confirm_folder(root)
            self.trial = False
            files.save(self._update_path, {})
            if self.config.get("sleep"):
                asyncio.create_task(self._restart_soon())  # noqa: RUF006 (as in `_restart`); from now on it sleeps again
        try:
            self._esp32.Partition.mark_app_valid_cancel_rollback()
        except OSError:
            pass  # a board without a second app partition

    def _saved(self) -> "tuple[int, int, int, int] | None":
        """Return boot, sequence, acknowledged sequence and clock origin from before the sleep."""
        memory = bytes(self._rtc.memory())
        size = struct.calcsize(_SAVED)
        if len(memory) != size + 4 or binascii.crc32(memory[:size]) & 0xFFFFFFFF != struct.unpack_from("<I", memory, size)[0]:
            return None
        boot, seq, acked, origin = struct.unpack_from(_SAVED, memory)
        return boot, seq, acked, origin

    def save(self) -> None:
        """Put into the memory that survives deep sleep what the next cycle needs."""
        boot = self.node.boot
        head = struct.pack(_SAVED, boot, self.node.seq, self.node.queue.acked(boot), self.clock.origin)
        self._rtc.memory(head + struct.pack("<I", binascii.crc32(head) & 0xFFFFFFFF))

    async def _end_of_trial(self) -> None:
        """Restart where safe mode has lasted long enough, or a new firmware has not proved itself and must be taken back."""
        if self.safe and self.guard is not None:
            await asyncio.sleep(_SAFE_MODE_LASTS)
            self.guard.good()
            self._machine.reset()
        if self.trial:
            await asyncio.sleep(self.config.get("trial", _TRIAL_LASTS))
            if self.trial:
                files.save(self._update_path, {})
                self._machine.reset()

    async def run(self) -> None:
        """Run for ever, or for one cycle and then sleep."""
        feeding = asyncio.create_task(self.watchdog.run())
        ending = asyncio.create_task(self._end_of_trial())
        try:
            if self.safe or self.trial or not self.config.get("sleep"):
                await self.node.run()
                return
            if "probe_power" in self.config:  # the switch pulls itself off while the chip sleeps
                self._machine.Pin(self.config["probe_power"], self._machine.Pin.OUT).value(1)
                await asyncio.sleep(self.config.get("warm_up", 2))
            await self.node.once(max(_CYCLE_LIMIT, self.node.config.awake_for))
            self.save()
        finally:
            feeding.cancel()
            ending.cancel()
        self._machine.deepsleep(self.node.config.interval * self.node.board_stretch() * 1000)


def run(path: str = "config.json") -> None:
    """Run the node that `path` describes; where it ends with an error, the board restarts."""
    import esp32  # type: ignore[import-not-found]  # noqa: PLC0415
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415
    import network  # type: ignore[import-not-found]  # noqa: PLC0415

    gc.collect()
    config = files.load(path)
    try:
        asyncio.run(Device(machine, network, esp32, config).run())
    except Exception as error:  # noqa: BLE001 (whatever it was, a restart is the only remedy left; the next status tells)
        files.save(config.get("root", "") + "/crash.json", {"error": repr(error)})
    machine.reset()
