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
"""

import asyncio
import gc
import json
import os

from firmware import orders
from firmware.config import NodeConfig
from firmware.errors import LINK_ERRORS
from firmware.outbox import Outbox
from firmware.queue import FlashQueue, QueueError
from firmware.stopwatch import Stopwatch
from firmware.supply import NORMAL, SILENT
from firmware.timing import take_over
from firmware.version import VERSION
from vuong.contract import topics

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

    from firmware.boundaries import Board, Clock, Command, Probe, Task
    from firmware.ledger import Ledger
    from firmware.link import Link
    from firmware.settings import Settings

__all__ = ["Node", "NodeConfig"]
_LINGER = 0.5  # real seconds on the air after all is sent, so that a command sent at its news still arrives


def _unwatched(_part: str, _seconds: float) -> None:
    """Stand in where there is no watchdog."""


class Node:
    """One node from its cold start to `stop`; a restart is a new object on the same store.

    Parameters
    ----------
    probes : read in this order; gone through anew for each sample
    board : object with ``health()`` returning a dict with any of ``battery`` (V), ``rssi`` (dBm), ``heap`` (B), ``reset`` (text); may be ``None``
    settings : remote configuration; without it the ``config`` channel is ignored
    ledger : calibrations, sent to the gateway on ``reply``
    commands : name → function from the command's object to the fields of its reply; ``sample`` is always there
    mark : called with ``(part, seconds)`` whenever a part made progress and will again within that time; for a watchdog
    on_good : called once, when the gateway has acknowledged something: only then is a firmware update confirmed
    resume : boot and last sequence from before a deep sleep; ``None`` at a cold start

    Attributes
    ----------
    boot, seq : identity of the newest sample
    faults : quantity → reason, of the probes that gave no value in the newest sample
    installation : what the newest sample says of the board's surroundings: ``solar`` (V), ``motor_current`` (A)
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        clock: "Clock",
        probes: "Iterable[Probe]",
        queue: FlashQueue,
        link: "Link",
        board: "Board | None" = None,
        settings: "Settings | None" = None,
        ledger: "Ledger | None" = None,
        commands: "dict[str, Command] | None" = None,
        mark: "Callable[[str, float], None] | None" = None,
        on_good: "Callable[[], None] | None" = None,
        resume: "tuple[int, int] | None" = None,
    ) -> None:
        self.config, self.clock, self.probes, self.queue, self.link, self._board = config, clock, probes, queue, link, board
        self.faults: "dict[str, str]" = {}
        self.installation: "dict[str, float]" = {}
        self._settings, self._mark, self._on_good = settings, mark or _unwatched, on_good
        self._commands: "dict[str, Command]" = {"sample": self._sample_ordered}
        self._commands.update(commands or {})
        if settings is not None:
            settings.apply(config)
        if resume is not None and queue.last(resume[0]) <= resume[1]:
            self.boot, self.seq = resume
        else:
            self.boot, self.seq = self._draw_boot(), 0
            queue.begin(self.boot)
        self._outbox = Outbox(config, clock, queue, link, self.boot, ledger, self._status)
        self._stage: str = NORMAL
        self._wake, self._ordered = asyncio.Event(), asyncio.Event()
        self._orders: "list[dict[str, Any]]" = []
        self._stay: "tuple[Stopwatch, float] | None" = None
        self._reading = asyncio.Lock()  # the probes share their buses
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
        await self._run([self._sampling(), self._obeying(), self._sending(), self._reporting(), self.link.run()])

    async def _run(self, parts: "list[Coroutine[Any, Any, None]]") -> None:
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

    async def once(self, limit: float) -> bool:
        """Take one sample and send what is held, for at most `limit` real seconds: the cycle between two deep sleeps.

        Returns
        -------
        whether the gateway has acknowledged everything; the status stays ``online``, for the node only sleeps
        """
        await self.sample()
        running, taken = asyncio.create_task(self._run([self._sending(), self._obeying(), self.link.run()])), Stopwatch()
        # One failed try is enough: the next cycle tries again, and the radio is what empties the battery.
        quiet = Stopwatch()
        while not self._over.is_set() and not self.link.failures and quiet.seconds() < _LINGER:
            await asyncio.sleep(0.05)
            if self._busy(taken.seconds()):
                quiet.reset()
            if taken.seconds() >= limit and not self._staying():
                break
        await self.stop(say=False)
        await running
        return not self.queue.held()

    def _busy(self, awake: float) -> bool:
        waiting = self._outbox.status_due or self._outbox.replies or self._orders or self._reading.locked()
        return bool(waiting) or self.queue.held() > 0 or awake < self.config.awake_for or self._staying()

    def stay(self, seconds: float) -> None:
        """Stay awake and on the air for `seconds` from now, in a cycle between deep sleeps."""
        self._stay = (Stopwatch(), seconds)

    def _staying(self) -> bool:
        return self._stay is not None and self._stay[0].seconds() < self._stay[1]

    async def stop(self, *, say: bool = True) -> None:
        """End `run`; where there is a link, say so unless `say` is false."""
        if say and self.link.is_up:
            try:
                await self._outbox.publish_status("offline")
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
        async with self._reading:
            return await self._sample()

    async def _sample(self) -> bool:
        from firmware import sampling  # noqa: PLC0415 (it goes with the drivers: `firmware.shelf`)

        values, installation, faults = await sampling.read(self.probes)
        # a motor that starts or stops is told at once, how much it draws with the next status
        running, ran = (
            [name for name in installation if installation[name]],
            [n for n in self.installation if self.installation[n]],
        )
        if faults != self.faults or sorted(running) != sorted(ran):
            self._outbox.status_due = True
        self.faults, self.installation = faults, installation
        if not values:
            self._wake.set()
            return False
        if self._board is not None and not self._board.may_write():
            faults["flash"] = "supply too low to write"
        self.seq += 1
        uptime, now = self.clock.uptime(), self.clock.now()
        try:
            if "flash" not in faults:
                self.queue.append(self.boot, self.seq, uptime, now, values)
        except QueueError:
            self.faults["flash"] = "full or broken"
            self._outbox.status_due = True
        self._outbox.live = (self.seq, uptime, now, values)
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
            due += self.config.interval * self.board_stretch()
            late = self.clock.uptime() - due
            if late > self.config.interval:  # the clock jumped or the probes took too long: go on from here
                due += late
            self._mark("sampling", 2 * (due - self.clock.uptime()) + 60)
            await self.clock.sleep(due - self.clock.uptime())

    def board_stretch(self) -> int:
        """Look at the supply, announce a new stage, and return the factor by which the interval grows."""
        if self._board is None:
            return 1
        stage = self._board.stage()
        if stage != self._stage:
            if self._stage == SILENT:
                self.link.resume()
            self._stage, self._outbox.status_due = stage, True
            self._wake.set()
        return self._board.stretch()

    async def _obeying(self) -> None:
        """Carry out the orders, never while the probes are read."""
        while not self._over.is_set():
            if not self._orders:
                await self._ordered.wait()
                self._ordered.clear()
                continue
            async with self._reading:
                reply = await orders.obey(self._orders[0], self._commands)
            self._orders.pop(0)
            if reply is not None:
                self._outbox.replies.append(reply)
            self._wake.set()

    async def _sample_ordered(self, message: "dict[str, Any]") -> "dict[str, Any]":  # noqa: ARG002
        await self._sample()
        return {}

    async def _reporting(self) -> None:
        while not self._over.is_set():
            await self.clock.sleep(self.config.status_interval)
            self._outbox.status_due = True
            self._wake.set()

    # -- sending ------------------------------------------------------------------------------------------------------------------------

    async def _sending(self) -> None:
        while not self._over.is_set():
            wait = 60.0
            if self.link.is_up:
                announcing = self._stage == SILENT and self._outbox.status_due and self._outbox.live is None
                try:
                    wait = await self._outbox.send_next()
                    if announcing:  # announced; now the radio goes off
                        await self.link.pause(say=True)
                except LINK_ERRORS as error:
                    wait = self.config.pace  # the link opens another connection, and wakes this task
                    if isinstance(error, MemoryError):
                        self._outbox.shrink()
            self._mark("sending", 180)
            if wait > 0:
                await self._woken(min(wait, 60))
            self._outbox.resend()

    async def _woken(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except asyncio.TimeoutError:
            pass
        self._wake.clear()

    def _status(self) -> "dict[str, Any]":
        status: "dict[str, Any]" = {
            "boot": self.boot,
            "firmware": VERSION,
            "held": self.queue.held(),
            "dropped": self.queue.dropped,
        }
        status.update(self.installation)
        if self.faults:
            status["probes"] = self.faults
        if self._settings is not None:
            status["config"] = self._settings.version
            if self._settings.refused:
                status["refused"] = self._settings.refused
        if self._board is not None:
            status.update(self._board.health())
            status["power"] = self._stage
        return status

    # -- what the gateway says ----------------------------------------------------------------------------------------------------------

    def _on_up(self) -> None:
        self._outbox.connected()
        self._wake.set()

    def _on_message(self, name: str, payload: bytes) -> None:
        parsed = topics.parse(name)
        channel = parsed[1] if parsed is not None else ""
        if channel == topics.ACK:
            self._on_ack(payload)
        elif channel == topics.CONFIG and self._settings is not None and payload:
            try:
                if self._settings.take(payload):
                    self._settings.apply(self.config)
            except OSError:
                self._settings.refused = "the flash took it not"
            self._outbox.status_due = True
            self._wake.set()
        elif channel == topics.COMMAND:
            message = orders.parse(payload)
            if message is not None and len(self._orders) + len(self._outbox.replies) < orders.MOST_ORDERS:
                self._orders.append(message)
                self._ordered.set()

    def _on_ack(self, payload: bytes) -> None:
        try:
            message = json.loads(payload)
            boot, seq, time = int(message["boot"]), int(message["seq"]), int(message["time"])
        except (ValueError, KeyError, TypeError):
            return  # not ours to repair: without an acknowledgement all is sent again
        take_over(self.clock, time)
        if self._on_good is not None:
            self._on_good()
            self._on_good = None
        news = self.queue.ack(boot, seq)
        self._outbox.acknowledged(news=news)
        if news:
            self._wake.set()
