"""What a technician asks of a node, over the air or by cable; loaded only when asked for.

Over the air each is a command (`firmware.main`). By cable, in the raw REPL, `ask` takes the same object and returns the same reply::

    from firmware.technician import ask
    ask({"do": "probe", "quantity": "ph"})

What was read before (the window by which a reading counts as settled) is kept from one command to the next, until the node restarts.
"""

import asyncio
import gc

from firmware import files
from firmware.clock import BoardClock
from firmware.ledger import Ledger
from firmware.modules import drop
from firmware.probes import IN_AIR_BELOW, OK
from firmware.shelf import DRIVERS, Shelf
from firmware.version import VERSION
from vuong import calibration

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Clock, Module, Probe
    from firmware.node import Node
    from firmware.wifi import Wifi

    Message = dict[str, Any]

__all__ = ["Technician", "ask"]
COMMANDS = ("stay", "probe", "calibrate", "calibrations", "test")
LONGEST_STAY = 1800
WATER_FIRST = ("temperature", "conductivity", "salinity")  # what the others are compensated with


class Technician:
    """The commands, each from a message to the fields of its reply; ValueError with a sentence where it cannot be done.

    Parameters
    ----------
    config : the node's (`firmware.main`)
    machine : the board's module
    node, wifi : ``None`` by cable, where the node does not run
    """

    def __init__(
        self,
        config: "Message",
        machine: "Module",
        clock: "Clock",
        ledger: Ledger,
        node: "Node | None" = None,
        wifi: "Wifi | None" = None,
    ) -> None:
        self._config, self._machine, self._clock, self._ledger, self._node, self._wifi = (
            config,
            machine,
            clock,
            ledger,
            node,
            wifi,
        )
        self._shelf = Shelf(machine, config, ledger)
        self._windows: "dict[str, list[float]]" = {}
        self._mediums: "dict[str, str | None]" = {}

    async def carry_out(self, message: "Message") -> "Message":
        """Do what `message` says."""
        if message["do"] not in COMMANDS:
            raise ValueError(f"command {message['do']!r} is not known; known are {', '.join(COMMANDS)}")
        reply: "Any" = getattr(self, message["do"])(message)
        if hasattr(reply, "send"):  # a coroutine
            reply = await reply
        return reply

    def _probes(self) -> "list[Any]":
        return self._shelf.take(raw=True)

    def stay(self, message: "Message") -> "Message":
        """Stay awake and on the air."""
        seconds = int(message["seconds"])
        if not 0 <= seconds <= LONGEST_STAY:
            raise ValueError(f"seconds is {seconds}; give 0 to {LONGEST_STAY}")
        if self._node is not None:
            self._node.stay(seconds)
        now = self._clock.now()
        return {"until": now + seconds if now is not None else None, "seconds": seconds}

    async def probe(self, message: "Message") -> "Message":
        """Take one reading of a probe, and note it in the quantity's window."""
        from firmware.settling import SETTLED, SETTLED_READINGS, settled  # noqa: PLC0415 (`test` does not need it)

        quantity = str(message["quantity"])
        water: "dict[str, float]" = {}
        made = self._probes()
        probe: "Any" = None
        for probe in made:
            if probe.quantity == quantity:
                break
            if probe.quantity in WATER_FIRST:
                value, _, status = await probe.read(water)
                if value is not None and status == OK:
                    water[probe.quantity] = value
        else:
            raise ValueError(f"this node has no probe for {quantity!r}; it has {', '.join(sorted([p.quantity for p in made]))}")
        if not hasattr(probe, "raw"):
            raise ValueError(f"{quantity} is not calibrated")
        raw, unit, status = await probe.raw(water)
        if raw is None:
            raise ValueError(f"{quantity}: {status}")
        try:
            value = float(probe.value(raw, water))
        except (KeyError, ValueError):
            value = None  # no temperature, or far outside of what the calibration in force can mean
        conductivity = value if quantity == "conductivity" else water.get("conductivity")
        medium = None if conductivity is None else "air" if conductivity < IN_AIR_BELOW else "water"
        window = self._windows.setdefault(quantity, [])
        if self._mediums.get(quantity) != medium:
            window[:] = []  # lifted out or put in: what came before says nothing of it
        window.append(raw)
        del window[:-SETTLED_READINGS]
        self._mediums[quantity] = medium
        return {
            "quantity": quantity,
            "raw": raw,
            "unit": unit,
            "value": value,
            "temperature": value if quantity == "temperature" else water.get("temperature"),
            "medium": medium,
            "readings": len(window),
            "spread": max(window) - min(window) if len(window) > 1 else None,
            "limit": SETTLED[quantity],
            "settled": settled(quantity, window),
        }

    def calibrate(self, message: "Message") -> "Message":
        """Judge a calibration and, unless ``dry_run``, keep it."""
        quantity = str(message["quantity"])
        found = [probe for probe in self._probes() if probe.quantity == quantity and hasattr(probe, "raw")]
        if not found:
            raise ValueError(f"this node has no probe for {quantity!r} that can be calibrated")
        before: "list[float]" = list(found[0].numbers)
        names: "list[str]" = list(found[0].names)
        found.clear()
        drop(*DRIVERS)  # what judges needs the memory
        from firmware import calibration  # noqa: PLC0415

        try:
            calibration.check_settled(quantity, self._windows.get(quantity, []))
            after = calibration.judge(message, before, names, self._mediums.get(quantity))
        except calibration.CalibrationError as error:
            return {"error": str(error), "refused": error.key, "numbers": error.numbers}
        if not message.get("dry_run"):
            time = self._clock.now()
            if time is None:
                time = int(message["time"]) if "time" in message else 0
            self._ledger.add(quantity, time, str(message["operator"]), str(message["lot"]), before, after)
        return {"quantity": quantity, "before": before, "after": after, "names": names, "accepted": True}

    def calibrations(self, message: "Message") -> "Message":  # noqa: ARG002
        """Return the newest calibration of each quantity, and whether the next is due."""
        now = self._clock.now()
        found: "list[Message]" = []
        for quantity in sorted(calibration.DUE):
            newest = self._ledger.newest(quantity)
            entry: "Message" = dict(newest) if newest is not None else {"quantity": quantity}
            # without a clock nothing can be said of its age
            entry["state"] = "never" if newest is None else self._ledger.state(quantity, now) if now is not None else None
            found.append(entry)
        return {"calibrations": found}

    async def test(self, message: "Message") -> "Message":  # noqa: ARG002
        """Test everything."""
        told: "Message" = {"firmware": VERSION, "probes": await self_test(self._probes())}
        drop(*DRIVERS)
        told["supply"] = None
        if "battery_pin" in self._config:
            from firmware.supply import Supply  # noqa: PLC0415

            adc = self._machine.ADC
            pin = self._machine.Pin(self._config["battery_pin"])
            told["supply"] = round(Supply(adc(pin, atten=adc.ATTN_11DB)).volts(), 2)
        if self._node is not None:
            queue = self._node.queue
        else:
            from firmware.queue import FlashQueue  # noqa: PLC0415

            queue = FlashQueue(self._config.get("root", "") + "/queue")
        told["queue"] = {"held": queue.held(), "dropped": queue.dropped, "oldest": queue.oldest()}
        told["clock"] = {"now": self._clock.now(), "uptime": self._clock.uptime()}
        told["wifi"] = {"rssi": self._wifi.rssi(), "ssid": self._wifi.ssid} if self._wifi is not None else None
        told["certificate"] = self._certificate()
        gc.collect()
        free: "Any" = getattr(gc, "mem_free", int)
        told["heap"] = free()
        return told

    def _certificate(self) -> "Message | None":
        if "tls" not in self._config:
            return None
        from firmware.certificate import until  # noqa: PLC0415

        name = "/node.der" if self._config.get("client_certificate") else "/ca.der"
        try:
            with open(self._config["tls"] + name, "rb") as file:
                return {"until": until(file.read())}
        except (OSError, ValueError) as error:
            return {"until": None, "error": str(error)}


async def self_test(probes: "list[Probe]") -> "dict[str, str]":
    """Read every probe once and return quantity → ``ok`` or what is wrong with it."""
    water: "dict[str, float]" = {}
    found: "dict[str, str]" = {}
    for probe in probes:
        value, _, status = await probe.read(water)
        found[probe.quantity] = status
        if value is not None and status == OK:
            water[probe.quantity] = value
    return found


_AT_CABLE_MS = LONGEST_STAY * 1000
_here: "list[Technician]" = []


def ask(message: "Message", path: str = "config.json") -> "Message":
    """Carry out a command by cable and return its reply; the node does not run meanwhile.

    The watchdog, which a reset by cable does not stop, then restarts the board half an hour after the last command.
    """
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415

    reply: "Message" = {"id": message.get("id")}
    try:
        machine.WDT(timeout=_AT_CABLE_MS).feed()
        if not _here:
            config = files.load(path)
            clock = BoardClock(machine.RTC())
            _here.append(Technician(config, machine, clock, Ledger(config.get("root", "") + "/calibration.json")))
        reply.update(asyncio.run(_here[0].carry_out(message)))
    except (ValueError, KeyError, TypeError, OSError) as error:
        reply["error"] = str(error) or repr(error)
    return reply
