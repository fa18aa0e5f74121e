"""Random fault schedules: whatever happens in between, every sample is at the gateway exactly once or still on flash.

The broker and the passing of time are simulated here, so that a thousand lives take a minute; everything else is the node's own code. Real brokers
are in `test_node` and `test_broker_faults`.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
from collections.abc import Callable
from pathlib import Path

import pytest

import firmware.stopwatch
from firmware.hostclock import InjectedClock
from firmware.link import Link
from firmware.mqtt import MqttError
from firmware.node import Node, NodeConfig
from firmware.queue import FlashQueue
from vuong.contract import topics

from .conftest import Gateway
from .test_node import FakeProbe

NODE = "0123456789abcdef"


class _Skip(selectors.SelectSelector):
    """Does not wait: it moves the loop's time on instead."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout:
            self.passed += timeout
        return found


class SimulatedTime(asyncio.SelectorEventLoop):
    """An event loop in which waiting costs nothing; also the host clock of its nodes."""

    def __init__(self) -> None:
        self.skip = _Skip()
        super().__init__(self.skip)

    def time(self) -> float:
        return self.skip.passed

    def now(self) -> float:
        return 1_790_000_000 + self.skip.passed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeConnection:
    """The link's boundary: a broker and a network that lose, repeat, delay, acknowledge and drop at will."""

    def __init__(self, world: World, on_message: Callable[[str, bytes], None]) -> None:
        self.world, self.on_message = world, on_message
        self.closed = asyncio.Event()
        self.error: Exception | None = None
        self.acknowledged = 0

    async def subscribe(self, names: list[str]) -> None:
        await asyncio.sleep(0.01)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        if self.closed.is_set():
            raise MqttError("closed")
        chance, world = self.world.chance, self.world
        await asyncio.sleep(chance.random() * 0.2)
        fate = chance.random()
        arrives = fate > world.loss
        if arrives and not world.denied:
            for _ in range(1 + (chance.random() < world.doubling)):
                self.world.deliver(topic, payload, self)
        if not arrives or chance.random() < world.puback_loss:
            await asyncio.sleep(2)
            await self.end(MqttError("no PUBACK"))
            raise MqttError("no PUBACK")
        self.acknowledged += 1

    async def end(self, error: Exception) -> None:
        self.error = error
        self.closed.set()

    async def close(self) -> None:
        await self.end(MqttError("closed"))


class World:
    """One seeded schedule: restarts, power cuts of node and gateway, outages, denied topics, losses and repeats."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.gateway = Gateway(NODE, clock=1_790_000_000)
        self.loss = self.puback_loss = self.doubling = self.ack_loss = 0.0
        self.denied = self.down = False
        self.connections: list[FakeConnection] = []
        self.assigned: dict[int, int] = {}
        self.wake: list[asyncio.Task[None]] = []

    async def dial(self, on_message: Callable[[str, bytes], None], will: tuple[str, bytes] | None) -> FakeConnection:
        await asyncio.sleep(0.05)
        if self.down:
            raise OSError("unreachable")
        self.connections.append(FakeConnection(self, on_message))
        return self.connections[-1]

    def deliver(self, name: str, payload: bytes, connection: FakeConnection) -> None:
        channel = name.rsplit("/", 1)[1]
        if channel not in {topics.DATA, topics.BACKLOG}:
            return
        for boot, seq in self.gateway.commit(channel, payload):
            if self.chance.random() >= self.ack_loss and not connection.closed.is_set():
                ack = json.dumps({"boot": boot, "seq": seq, "time": 1_790_000_000}).encode()
                connection.on_message(topics.topic(NODE, topics.ACK), ack)

    def node(self) -> Node:
        link = Link(self.dial, shortest=0.5, longest=20.0)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedTime)
        return Node(
            NodeConfig(NODE, interval=20, pace=0.1, resend=5.0, longest_resend=60.0, window=40),
            clock=InjectedClock(loop, known=self.chance.random() < 0.7),
            probes=[FakeProbe("do", "mg/L", 5.0)],
            queue=FlashQueue(str(self.folder), segment_bytes=256),
            link=link,
        )

    def weather(self) -> None:
        """Draw the next faults."""
        chance = self.chance
        self.loss = chance.choice((0.0, 0.0, 0.3, 0.9))
        self.puback_loss = chance.choice((0.0, 0.0, 0.3, 0.9))
        self.doubling = chance.choice((0.0, 0.5, 1.0))
        self.ack_loss = chance.choice((0.0, 0.0, 0.5, 1.0))
        self.denied = chance.random() < 0.2
        self.down = chance.random() < 0.3

    async def live(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            node = self.node()
            task = asyncio.create_task(node.run())
            for _ in range(self.chance.randint(1, 4)):
                self.weather()
                await asyncio.sleep(self.chance.expovariate(1 / 120))
                if self.chance.random() < 0.5 and self.connections:
                    await self.connections[-1].end(MqttError("broker killed"))
                self.check(node)
            await self.end(node, task)
        self.loss = self.puback_loss = self.ack_loss = 0.0
        self.denied = self.down = False
        node = self.node()
        task = asyncio.create_task(node.run())
        await asyncio.sleep(600)
        self.check(node)
        assert node.queue.held() <= 1, "the backlog did not drain in ten good minutes"
        await self.end(node, task)
        # at most the samples of the last moments, whose acknowledgement the node did not live to see, are still on flash as well
        at_gateway = set(self.gateway.samples)
        missing = {(b, s) for b, last in self.assigned.items() for s in range(1, last + 1)} - at_gateway
        assert len(missing) <= 1, f"not at the gateway after the drain: {sorted(missing)}"

    async def end(self, node: Node, task: asyncio.Task[None]) -> None:
        if self.chance.random() < 0.3:
            await node.stop()
        task.cancel()  # a power cut
        await asyncio.wait([task])
        self.check(node)

    def check(self, node: Node) -> None:
        """Hold the invariant at this very moment."""
        for boot, last in node.queue.assigned():
            self.assigned[boot] = max(self.assigned.get(boot, 0), last)
        on_flash = set()
        for boot in node.queue.boots():
            on_flash |= {(boot, record.seq) for record in node.queue.records(boot, node.queue.acked(boot), 10**6)}
        for boot, last in self.assigned.items():
            for seq in range(1, last + 1):
                assert (boot, seq) in self.gateway.samples or (boot, seq) in on_flash, f"lost: {(boot, seq)}"
        assert node.queue.dropped == 0
        assert not self.gateway.problems


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Callable[[World], None]:
    def run(world: World) -> None:
        loop = SimulatedTime()
        monkeypatch.setattr(firmware.stopwatch, "_ticks", lambda: int(loop.time() * 1000))
        try:
            loop.run_until_complete(world.live())
        finally:
            loop.close()

    return run


def lives(first: int, count: int, folder: Path, run: Callable[[World], None]) -> int:
    samples = 0
    for seed in range(first, first + count):
        world = World(folder / str(seed), seed)
        try:
            run(world)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        samples += len(world.gateway.samples)
    return samples


def test_a_few_fault_schedules(tmp_path: Path, simulated: Callable[[World], None]) -> None:
    assert lives(0, 25, tmp_path, simulated) > 500


@pytest.mark.slow
def test_a_thousand_fault_schedules(
    tmp_path: Path, simulated: Callable[[World], None], capsys: pytest.CaptureFixture[str]
) -> None:
    samples = lives(1000, 1000, tmp_path, simulated)
    with capsys.disabled():
        print(f"\n1,000 fault schedules: {samples} samples, none lost, each once at the gateway or on flash")  # noqa: T201
    assert samples > 20_000
