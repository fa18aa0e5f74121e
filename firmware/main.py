"""The start of the board: which program runs in this boot, the node (`firmware.device`) or the rescue (`firmware.rescue`).

``config.json``: ``networks`` (name → password), ``broker``, ``port``, and as wanted ``node`` (default: from the chip's MAC), ``user``, ``password``,
``tls`` (folder with ca.der and, for the client's own, node.der and node.key), ``server_name`` (in the broker's certificate; default ``broker``),
``ntp`` (list of servers), ``pins``, ``probes`` (`firmware.assembly`), ``battery_pin``, ``sleep`` (true: deep sleep between samples), ``probe_power``
(pin that switches the probes' supply on in such a cycle), ``public_key`` (hex, for updates), ``update`` (what an update is: ``program``, the default,
or ``image``, a whole MicroPython: `firmware.slots`), ``root`` (where queue, settings and the rest lie).

Start: ``import firmware.main; firmware.main.run()`` from ``main.py``. A boot that never becomes good counts (`firmware.bootguard`); after some of
them the rescue starts, which loads neither probes nor queue, so that the node can still be updated. An update runs there too, for its memory.
"""

import asyncio
import gc
import os

from firmware import files
from firmware.bootguard import BootGuard

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Module

WATCHDOG_MS = 60000


def load_config(path: str) -> "dict[str, Any]":
    """Return the node's description; where it is damaged, the last with which a boot became good."""
    config = files.load(path)
    return config if "networks" in config and "broker" in config else files.load(path + ".good") or config


async def _start(machine: "Module", network: "Module", esp32: "Module", path: str) -> None:
    from firmware import sleep  # noqa: PLC0415 (a mistake in it is counted)

    config = load_config(path)
    root = config.get("root", "")
    # A wake from deep sleep goes on where it was; anything else is a cold start.
    saved = sleep.load(machine.RTC()) if machine.reset_cause() == machine.DEEPSLEEP_RESET else None
    offer = files.load(root + "/offer.json")
    if offer:
        os.remove(root + "/offer.json")  # whatever comes of it, the next boot is the node again
    guard = BootGuard(root + "/boots.json") if saved is None and not offer else None
    if offer or (guard is not None and guard.safe_mode):
        from firmware.rescue import Rescue  # noqa: PLC0415

        await Rescue(machine, network, esp32, config, offer, guard).run()
        return
    from firmware.device import Device  # noqa: PLC0415

    await Device(machine, network, esp32, config, guard, saved, path).run()


def run(path: str = "config.json") -> None:
    """Run the node that `path` describes; where it ends with an error, the board restarts."""
    import esp32  # type: ignore[import-not-found]  # noqa: PLC0415
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415
    import network  # type: ignore[import-not-found]  # noqa: PLC0415

    gc.collect()
    threshold: "Any" = getattr(gc, "threshold", int)
    threshold(4096)  # collect early: what is left over stays in one piece
    try:
        asyncio.run(_start(machine, network, esp32, path))
    except Exception as error:  # noqa: BLE001 (whatever it was, a restart is the only remedy left; the next status tells)
        files.save(load_config(path).get("root", "") + "/crash.json", {"error": repr(error)})
    machine.reset()
