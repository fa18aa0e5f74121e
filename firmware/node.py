"""The node: sample → queue on flash → publish → forget only on the gateway's ``ack``.

Everything outside is handed in, so that the same loop runs on an ESP32, under CPython in the demo (many nodes in one process, accelerated clocks)
and in tests::

    node = Node(NodeConfig("0123456789abcdef", interval=300), clock=InjectedClock(clock), probes=[...],
                queue=FlashQueue(folder), link=Link(broker(host, port, "0123456789abcdef")))
    await node.run()            # until cancelled or `await node.stop()`
    await node.sample()         # one sample now, besides the schedule
    await node.link.pause(); node.link.resume()      # Wi-Fi gone and back
    node.queue.assigned()       # every (boot, last sequence) ever given out, from the store; also later: FlashQueue(folder).assigned()
    node.queue.held(), node.queue.dropped            # unacknowledged samples; samples given up because the flash was full

`clock` has ``now()`` (UTC seconds or ``None``), ``uptime()``, ``set(utc)``, ``async sleep(seconds)``: see `firmware.clock`. The sampling interval
is in that clock's seconds; time limits of the network are in real seconds. `probes`: see `firmware.probes`.

What is sent: the newest sample at once as SenML JSON on ``data``; older unacknowledged ones in packs of SenML CBOR on ``backlog``, paced, at most
`window` samples beyond the last acknowledgement. Where no acknowledgement comes for a while all is sent again, ever more rarely: the gateway
de-duplicates by (node, boot, seq).
"""

import asyncio
import gc
import json
import os
import sys

from firmware.clock import Stopwatch
from firmware.mqtt import LINK_ERRORS
from firmware.probes import OK
from firmware.queue import FlashQueue, QueueError, Record
from vuong.contract import topics
from vuong.contract.encode import cbor_pack, json_pack
from vuong.quantities import QUANTITIES

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from firmware.boundaries import Board, Clock, Probe, Task, Values
    from firmware.link import Link

VERSION = "0.1.0"
_TIGHT = sys.implementation.name == "micropython"


class NodeConfig:
    """What a node is told before it starts.

    Attributes
    ----------
    node : EUI-64, 16 lower-case hex digits
    interval, status_interval : seconds of the node's clock between samples and between status messages
    pack_samples, pack_bytes : most samples and most bytes of one backlog message
    window : most samples sent beyond the last acknowledgement
    pace : real seconds between backlog messages
    resend, longest_resend : real seconds without news from the gateway after which all is sent again, and to which that wait doubles
    """

    def __init__(
        self,
        node: str,
        *,
        interval: int = 900,
        status_interval: int = 3600,
        pack_samples: int = 8,
        pack_bytes: int = 1024,
        window: int = 256,
        pace: float = 0.5,
        resend: float = 30.0,
        longest_resend: float = 1800.0,
    ) -> None:
        if len(node) != 16 or not all(c in "0123456789abcdef" for c in node):
            raise ValueError(f"node {node!r} is not an EUI-64; give 16 lower-case hex digits")
        if interval < 1 or pack_samples < 1 or window < pack_samples:
            raise ValueError(
                f"interval {interval}, pack_samples {pack_samples}, window {window}: "
                "each must be at least 1 and the window at least a pack"
            )
        self.node, self.interval, self.status_interval = node, interval, status_interval
        self.pack_samples, self.pack_bytes, self.window = pack_samples, pack_bytes, window
        self.pace, self.resend, self.longest_resend = pace, resend, longest_resend


class Node:
    """One node from its cold start to `stop`; a restart is a new object on the same store.

    Parameters
    ----------
    board : object with ``health()`` returning a dict with any of ``battery`` (V), ``rssi`` (dBm), ``heap`` (B), ``reset`` (text); may be ``None``

    Attributes
    ----------
    boot, seq : identity of the newest sample
    faults : quantity → reason, of the probes that gave no value in the newest sample
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        clock: "Clock",
        probes: "list[Probe]",
        queue: FlashQueue,
        link: "Link",
        board: "Board | None" = None,
    ) -> None:
        self.config, self.clock, self.probes, self.queue, self.link, self._board = config, clock, probes, queue, link, board
        self.faults: "dict[str, str]" = {}
        self.boot, self.seq = self._draw_boot(), 0
        queue.begin(self.boot)
        self._live: "tuple[int, int, int, int | None, Values] | None" = None
        self._sent: "dict[int, int]" = {}  # boot → highest sequence sent since the last rewind
        self._direct = (1, 0)  # sequences that went out as live ones since the last rewind, first and last
        self._pack_samples = config.pack_samples
        self._resend = config.resend
        self._silence = Stopwatch()  # since the last news from the gateway, or since something was first sent
        self._status_due = True
        self._wake = asyncio.Event()
        self._tasks: "list[Task]" = []
        self._over, self._ended = asyncio.Event(), asyncio.Event()
        self._crash: "Exception | None" = None
        will = {"state": "offline", "boot": self.boot, "firmware": VERSION}
        link.attach(
            self._on_message,
            (topics.topic(config.node, topics.STATUS), json.dumps(will).encode()),
            [topics.topic(config.node, c) for c in (topics.ACK, topics.CONFIG, topics.COMMAND)],
            self._on_up,
        )

    def _draw_boot(self) -> int:
        known = [boot for boot, _ in self.queue.assigned()]
        while True:
            boot = int.from_bytes(os.urandom(4), "big")
            if boot and boot not in known:
                return boot

    async def run(self) -> None:
        """Sample and send until cancelled or stopped; raise what no part of it could handle, so that a watchdog or supervisor restarts the node."""
        parts = (self._sampling(), self._sending(), self._reporting(), self.link.run())
        self._tasks = [asyncio.create_task(self._guarded(part)) for part in parts]
        try:
            await self._over.wait()
        finally:
            self._over.set()
            await self.link.stop()
            for task in self._tasks:
                # CPython 3.11's wait_for may swallow a cancellation: every loop looks at `_over` as well.
                task.cancel()
                try:
                    await task
                except asyncio.CancelledError:
                    pass
            self._ended.set()
        if self._crash is not None:
            raise self._crash

    async def stop(self) -> None:
        """Say good-bye where there is a link, and end `run`."""
        if self.link.is_up:
            try:
                await self._publish_status("offline")
            except LINK_ERRORS:
                pass
        self._over.set()
        if self._tasks:
            await self._ended.wait()

    async def _guarded(self, part: "Coroutine[Any, Any, None]") -> None:
        try:
            await part
        except Exception as error:  # noqa: BLE001 (`run` raises it; MicroPython's gather would leave the other parts running)
            self._crash = error
            self._over.set()

    # -- sampling -----------------------------------------------------------------------------------------------------------------------

    async def sample(self) -> bool:
        """Read all probes and store what they say; return whether there was anything to store.

        A flash that takes nothing does not keep the newest sample from being sent.
        """
        values: "Values" = {}
        water: "dict[str, float]" = {}
        faults: "dict[str, str]" = {}
        for probe in self.probes:
            name = probe.quantity
            value, unit, status = await probe.read(water)
            if status == OK and value is not None and unit == QUANTITIES[name].unit:
                water[name] = value
                values[name] = QUANTITIES[name].scaled(value)
            else:
                faults[name] = status if status != OK else f"unit {unit!r} is not {QUANTITIES[name].unit!r}"
        if faults != self.faults:
            self._status_due = True
        self.faults = faults
        if not values:
            self._wake.set()
            return False
        self.seq += 1
        uptime, now = self.clock.uptime(), self.clock.now()
        try:
            self.queue.append(self.boot, self.seq, uptime, now, values)
        except QueueError:
            self.faults["flash"] = "full or broken"
            self._status_due = True
        self._live = (self.boot, self.seq, uptime, now, values)
        self._wake.set()
        return True

    async def _sampling(self) -> None:
        due = self.clock.uptime()
        while not self._over.is_set():
            try:
                await self.sample()
            except MemoryError:
                gc.collect()
                self.faults["heap"] = "full"
            due += self.config.interval
            late = self.clock.uptime() - due
            if late > self.config.interval:  # the clock jumped or the probes took too long: go on from here
                due += late
            await self.clock.sleep(due - self.clock.uptime())

    async def _reporting(self) -> None:
        while not self._over.is_set():
            await self.clock.sleep(self.config.status_interval)
            self._status_due = True
            self._wake.set()

    # -- time ---------------------------------------------------------------------------------------------------------------------------

    def _time(self, boot: int, uptime: int, time: "int | None") -> int:
        """Return the time of a sample as it is sent: UTC, or seconds ≤ 0 from now where that is all that is known.

        A boot whose clock was never known is taken to have ended when the next one began: its samples are at least that old.
        """
        if time:
            return time
        back = 0
        while True:
            start = self.queue.start(boot)
            if start is not None:
                return start + uptime - back
            if boot == self.boot:
                now, here = self.clock.now(), self.clock.uptime()
                return (now if now is not None else 0) + min(0, uptime - here) - back
            back += self.queue.end(boot) - uptime
            boots = self.queue.boots()
            i = boots.index(boot) if boot in boots else len(boots)
            boot, uptime = boots[i + 1] if i + 1 < len(boots) else self.boot, 0

    # -- sending ------------------------------------------------------------------------------------------------------------------------

    async def _sending(self) -> None:
        while not self._over.is_set():
            wait = self._resend
            if self.link.is_up:
                try:
                    wait = await self._send_next()
                except LINK_ERRORS as error:
                    wait = self.config.pace  # the link opens another connection, and wakes this task
                    if isinstance(error, MemoryError):
                        self._pack_samples = max(1, self._pack_samples // 2)
            if wait > 0:
                await self._woken(wait)
            if self._outstanding() and self._silence.seconds() >= self._resend:
                self._rewind()
                self._resend = min(self.config.longest_resend, self._resend * 2)

    async def _woken(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        self._wake.clear()

    async def _send_next(self) -> float:
        """Send what is most urgent; return the real seconds to wait before the next call, unless woken."""
        if self._live is not None:
            boot, seq, uptime, time, values = self._live
            self._live = None
            first = self.queue.first(boot)
            if first > min(seq, self.queue.last(boot)):  # nothing is held: the flash took no sample
                first = seq
            await self._publish(
                topics.DATA, json_pack(self.config.node, [(boot, seq, self._time(boot, uptime, time), values)], {boot: first})
            )
            self._sends()
            low, high = self._direct
            self._direct = (low if seq == high + 1 else seq, seq)
            return 0
        if self._status_due:
            self._status_due = False
            await self._publish_status("online")
            return 0
        if _TIGHT:
            gc.collect()  # a pack needs its memory in one piece
        records = self._next_records()
        if not records:
            return self._resend
        while True:
            samples = [(r.boot, r.seq, self._time(r.boot, r.uptime, r.time), r.values) for r in records]
            boot = records[0].boot
            payload = cbor_pack(self.config.node, samples, {boot: self.queue.first(boot)})
            if len(payload) <= self.config.pack_bytes or len(records) == 1:
                break
            records = records[: len(records) // 2]
        await self._publish(topics.BACKLOG, payload)
        self._sends()
        self._sent[boot] = max(self._sent.get(boot, 0), records[-1].seq)
        return self.config.pace

    def _next_records(self) -> "list[Record]":
        if self._outstanding() >= self.config.window:
            return []
        low, high = self._direct
        for boot in self.queue.boots():
            while True:
                acked = self.queue.acked(boot)
                after = max(acked, self._sent.get(boot, 0))
                if boot == self.boot and low <= after + 1 <= high:
                    after = high  # went out as live samples
                if after >= self.queue.last(boot):
                    break
                records = self.queue.records(boot, after, self._pack_samples)
                fresh = [r for r in records if boot != self.boot or not low <= r.seq <= high]
                if fresh:
                    return fresh
                if not records and after == acked:
                    self.queue.give_up(boot)  # all that was left of it has become unreadable
                    break
                self._sent[boot] = records[-1].seq if records else self.queue.last(boot)
        return []

    def _outstanding(self) -> int:
        """Return how many samples were sent since the last rewind and are not acknowledged."""
        low, high = self._direct
        total = max(0, high - max(low - 1, self.queue.acked(self.boot)))
        for boot, sent in self._sent.items():
            total += max(0, sent - self.queue.acked(boot)) if self.queue.last(boot) else 0
        return total

    def _sends(self) -> None:
        if not self._outstanding():
            self._silence.reset()

    def _rewind(self) -> None:
        self._sent, self._direct = {}, (1, 0)

    async def _publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        await self.link.publish(topics.topic(self.config.node, channel), payload, retain=retain)

    async def _publish_status(self, state: str) -> None:
        status: "dict[str, Any]" = {
            "state": state,
            "boot": self.boot,
            "firmware": VERSION,
            "held": self.queue.held(),
            "dropped": self.queue.dropped,
        }
        if self.faults:
            status["probes"] = self.faults
        if self._board is not None:
            status.update(self._board.health())
        await self._publish(topics.STATUS, json.dumps(status).encode(), retain=True)

    # -- what the gateway says ----------------------------------------------------------------------------------------------------------

    def _on_up(self) -> None:
        self._rewind()
        self._resend = self.config.resend
        self._status_due = True
        self._wake.set()

    def _on_message(self, name: str, payload: bytes) -> None:
        parsed = topics.parse(name)
        if parsed is not None and parsed[1] == topics.ACK:
            self._on_ack(payload)

    def _on_ack(self, payload: bytes) -> None:
        try:
            message = json.loads(payload)
            boot, seq, time = int(message["boot"]), int(message["seq"]), int(message["time"])
        except (ValueError, KeyError, TypeError):
            return  # not ours to repair: without an acknowledgement all is sent again
        if self.clock.now() is None:
            self.clock.set(time)
        self._resend = self.config.resend  # the gateway lives
        if self.queue.ack(boot, seq):
            self._silence.reset()
            self._wake.set()
