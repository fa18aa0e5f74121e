"""The pond nodes of the demo: the node's own code under CPython, in water that is simulated or recorded.

usage: python -m demo.nodes NODES.json

Only the drivers are not the node's own: `demo.water`. SIGUSR1 ends the story: Wi-Fi comes back everywhere, nothing more is sampled, and the process
ends by itself once the gateways have acknowledged everything. SIGTERM ends it at once; what is on flash is sent at the next start.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

from demo import story
from demo.water import Water, probes, recorded, simulated
from firmware.hostclock import InjectedClock
from firmware.link import Link, broker
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue
from vuong import clock as clocks

_HISTORY_INTERVAL: Final = 900
_FLASH: Final = 4 << 20


class _PastClock:
    """The demo's clock, which can be turned back while a node takes the samples that it already holds when the story begins."""

    def __init__(self, present: clocks.Clock) -> None:
        self._present = present
        self.past: float | None = None

    def now(self) -> float:
        """Return UTC seconds."""
        return self._present.now() if self.past is None else self.past

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the demo's clock."""
        await self._present.sleep(seconds)


class _PondNode:
    """One node of the demo with its clock and water."""

    def __init__(self, spec: story.NodeSpec, water: Water, interval: int, place: story.Spec) -> None:
        folder = Path(place.folder) / spec.node
        self._fresh = not folder.exists()
        self._draining = False
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._begin, self._history, self._interval = place.begin, place.history, interval
        self._clock = _PastClock(clocks.parse(place.clock))
        if self._fresh:
            self._clock.past = place.begin - place.history
        self.link = Link(broker("127.0.0.1", place.broker, spec.node), longest=5.0)
        self.probes = probes(water, self._clock)
        self._id, self._folder = spec.node, str(folder)
        self.node = self._boot()
        self.events = [event for event in place.events if event.node == spec.node and event.kind == "offline"]

    def _boot(self) -> Node:
        return Node(
            NodeConfig(self._id, interval=self._interval, pack_samples=32, pack_bytes=4096, pace=0.05, resend=5.0),
            clock=InjectedClock(self._clock),
            probes=list(self.probes),
            queue=FlashQueue(self._folder, max_bytes=_FLASH),
            link=self.link,
        )

    async def run(self) -> None:
        """Take what lies before the story and hand it over in its order, so that the gateway learns from it; then live."""
        if self._fresh:
            interval = max(self._interval, _HISTORY_INTERVAL)
            for time in range(self._begin - self._history, self._begin, interval):
                self._clock.past = time
                await self.node.sample()
            self._clock.past = None
            self.node = self._boot()
            self._connect(False)
        await asyncio.gather(self.node.run(), self._live(), *(self._lose_link(event) for event in self.events))

    def _connect(self, connected: bool) -> None:
        for probe in self.probes:
            probe.connected = connected  # a node that no probe answers has nothing to store

    async def _live(self) -> None:
        while self.node.queue.held():  # noqa: ASYNC110 (the queue is the node's own: it has no event to wait for)
            await asyncio.sleep(0.1)
        if not self._draining:
            self._connect(True)
            await self.node.sample()

    async def _lose_link(self, event: story.Event) -> None:
        await self._clock.sleep(event.time - self._clock.now())
        if event.until is None or event.until > self._clock.now():
            await self.link.pause()
        if event.until is not None:
            await self._clock.sleep(event.until - self._clock.now())
            self.link.resume()

    async def drain(self) -> None:
        """Sample no more, and wait until the gateway has acknowledged everything."""
        self._draining = True
        self._connect(False)
        self.events.clear()
        self.link.resume()
        while self.node.queue.held():  # noqa: ASYNC110 (the queue is the node's own: it has no event to wait for)
            await asyncio.sleep(0.1)


async def serve(path: Path) -> None:
    """Run all nodes of the file until SIGTERM, or until all is drained after SIGUSR1."""
    place = story.read(path)
    series = None if place.replay is None else recorded(Path(place.replay), place.begin)
    nodes = []
    for spec in place.nodes:
        if series is not None:
            nodes.append(_PondNode(spec, series.starting_at(spec.number), series.interval, place))
        else:
            events = [event for event in place.events if event.node == spec.node]
            nodes.append(_PondNode(spec, simulated(spec, place.begin - place.history, events), place.interval, place))
    stop, drain = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, drain.set)
    running = [asyncio.create_task(node.run()) for node in nodes]

    async def drained() -> None:
        await drain.wait()
        await asyncio.gather(*(node.drain() for node in nodes))
        stop.set()

    draining = asyncio.create_task(drained())
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*running, draining, stopping], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*(node.node.stop() for node in nodes))
    for task in (*running, draining, stopping):
        task.cancel()
    for task in done:
        task.result()  # an error of a node ends the process, loudly


def published(directory: Path) -> set[tuple[str, int, int]]:
    """Return every (node, boot, seq) that the nodes' own records under `directory` say was given out."""
    found: set[tuple[str, int, int]] = set()
    for folder in sorted(story.flash(directory).iterdir()):
        for boot, last in FlashQueue(str(folder), max_bytes=_FLASH).assigned():
            found.update((folder.name, boot, seq) for seq in range(1, last + 1))
    return found


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
