"""The node's loop against a real Mosquitto: live first, backlog after, forgotten only on the gateway's acknowledgement."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from firmware.boundaries import OnMessage, Will
from firmware.hostclock import InjectedClock
from firmware.ledger import Ledger
from firmware.link import Link
from firmware.link import broker as dial
from firmware.mqtt import Connection
from firmware.node import Node, NodeConfig
from firmware.probes import NO_ANSWER, OK
from firmware.queue import FlashQueue
from firmware.settings import Settings
from vuong.clock import ScaledClock

from .conftest import Broker, Gateway, until

NODE = "0123456789abcdef"


class FakeProbe:
    """The driver boundary: what it says is set from outside."""

    def __init__(self, quantity: str, unit: str, value: float) -> None:
        self.quantity, self.unit, self.value, self.status = quantity, unit, value, OK
        self.saw: dict[str, float] = {}

    async def read(self, water: dict[str, float]) -> tuple[float | None, str, str]:
        self.saw = dict(water)
        return (self.value if self.status == OK else None), self.unit, self.status


def probes() -> list[FakeProbe]:
    return [FakeProbe("temperature", "°C", 28.74), FakeProbe("do", "mg/L", 5.12)]


def clock(factor: float = 100.0) -> ScaledClock:
    return ScaledClock(anchor=time.time(), start=1_790_000_000, factor=factor)


def make(
    folder: Path,
    port: int,
    *,
    known: bool = True,
    interval: int = 10,
    factor: float = 100.0,
    read: list[FakeProbe] | None = None,
    **more: Any,  # noqa: ANN401 (handed on to `Node`)
) -> Node:
    config = NodeConfig(NODE, interval=interval, pace=0.01, resend=0.3, longest_resend=0.6, window=64)
    link = Link(dial("127.0.0.1", port, NODE, keep_alive=2, timeout=2.0), shortest=0.05, longest=0.3)
    return Node(
        config,
        clock=InjectedClock(clock(factor), known=known),
        probes=list(read if read is not None else probes()),
        queue=FlashQueue(str(folder)),
        link=link,
        **more,
    )


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Node]:
    task = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        await node.stop()
        with suppress(asyncio.CancelledError):
            await task


def assigned(*nodes: Node) -> set[tuple[int, int]]:
    return {(boot, seq) for node in nodes for boot, last in node.queue.assigned() for seq in range(1, last + 1)}


async def test_a_sample_reaches_the_gateway_and_is_forgotten_after_its_acknowledgement(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port)
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: node.seq >= 5 and node.queue.held() == 0 and len(gateway.samples) >= 5)
        assert gateway.samples[node.boot, 1][1] == {"temperature": 28.74, "do": 5.12}
        assert gateway.channels["data"] >= 5
        await until(lambda: bool(gateway.statuses))
        assert gateway.statuses[0]["state"] == "online"
        assert gateway.statuses[0]["boot"] == node.boot
    assert not gateway.problems
    assert {key[1] for key in gateway.samples} == set(range(1, node.seq + 1))


async def test_a_puback_alone_makes_a_node_forget_nothing(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port)
    gateway = Gateway(NODE)
    gateway.silent = True
    async with gateway.on(broker.port), running(node):
        await until(lambda: max(gateway.deliveries.values(), default=0) >= 2)  # sent again for want of an acknowledgement
        assert node.queue.held() == node.queue.last(node.boot)
        gateway.silent = False
        await until(lambda: node.queue.held() == 0)


@pytest.mark.slow
async def test_a_backlog_drains_after_the_broker_comes_back_and_live_samples_go_first(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port, interval=3)
    broker.kill()
    async with running(node):
        await until(lambda: node.seq >= 60, 20)
        assert node.queue.held() >= 60
        node.config.interval = 100  # a second
        broker.start()
        async with Gateway(NODE).on(broker.port) as gateway:
            await until(lambda: node.queue.held() == 0 and len(gateway.samples) >= 60, 20)
            assert gateway.channels["backlog"] >= 5
            assert gateway.channels["data"] >= 1
            assert node.queue.dropped == 0
            await until(lambda: assigned(node) <= set(gateway.samples))


async def test_every_sequence_once_through_restarts_of_node_and_broker(tmp_path: Path, broker: Broker) -> None:
    gateway = Gateway(NODE)
    nodes = []
    for round_ in range(3):
        node = make(tmp_path / "q", broker.port, interval=3)
        nodes.append(node)
        task = asyncio.create_task(node.run())
        async with gateway.on(broker.port):
            await until(lambda n=node: n.seq >= 10)  # type: ignore[misc]
        if round_ == 1:
            broker.kill()
            await until(lambda n=node: n.seq >= 20)  # type: ignore[misc]
            broker.start()
        task.cancel()  # as a power cut: nothing is said, nothing is drained
        with suppress(asyncio.CancelledError):
            await task
    last = make(tmp_path / "q", broker.port)
    async with gateway.on(broker.port), running(last):
        await until(lambda: last.queue.held() == 0 and assigned(last) <= set(gateway.samples), 15)
    assert {boot for boot, _ in gateway.samples} == {node.boot for node in [*nodes, last]}
    assert not gateway.problems


async def test_a_node_without_a_clock_sends_relative_times_and_takes_the_gateways(tmp_path: Path, broker: Broker) -> None:
    """Uptime times of an earlier boot resolve to a lower bound of their age; the gateway's clock is taken over from its acknowledgement."""
    dark = make(tmp_path / "q", 1, known=False)
    async with running(dark):
        await until(lambda: dark.seq >= 10)
    shutil.copytree(tmp_path / "q", tmp_path / "dark")  # as it was before anything was acknowledged
    node = make(tmp_path / "q", broker.port, known=False)
    gateway = Gateway(NODE, clock=1_795_000_000)
    async with gateway.on(broker.port), running(node):
        await until(lambda: node.queue.held() == 0 and node.seq >= 3 and (dark.boot, 10) in gateway.samples)
        assert abs((node.clock.now() or 0) - 1_795_000_000) < 5000  # type: ignore[attr-defined]
        times = [gateway.samples[dark.boot, seq][0] for seq in range(1, 11)]
        taken = [record.uptime for record in FlashQueue(str(tmp_path / "dark")).records(dark.boot, 0, 10)]
        # as far apart as they were taken, but for the fast clock's seconds between two packs
        assert all(abs((b - a) - (d - c)) <= 60 for (a, b), (c, d) in zip(pairwise(times), pairwise(taken), strict=True))
        assert all(a < b for a, b in pairwise(times[:8]))
        assert times[-1] <= 1_795_000_000
        assert abs(gateway.samples[node.boot, 1][0] - 1_795_000_000) <= 100


async def test_a_broken_probe_is_named_and_stops_nothing(tmp_path: Path, broker: Broker) -> None:
    read = probes()
    read[0].status = NO_ANSWER
    node = make(tmp_path / "q", broker.port, read=read)
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: node.seq >= 2 and any("probes" in s for s in gateway.statuses))
        told = next(s["probes"] for s in gateway.statuses if "probes" in s)
        assert told == {"temperature": NO_ANSWER}
        assert gateway.samples[node.boot, 1][1] == {"do": 5.12}
        assert read[1].saw == {}
        read[0].status, read[1].status = OK, NO_ANSWER
        before = node.seq
        await until(lambda: node.seq > before + 1)
        assert read[1].saw == {"temperature": 28.74}  # for compensation
        read[0].status = NO_ANSWER
        await until(lambda: set(node.faults) == {"temperature", "do"})
        before = node.seq
        await asyncio.sleep(0.3)
        assert node.seq == before  # a sample without a value is none


async def test_a_value_in_another_unit_is_refused(tmp_path: Path) -> None:
    node = make(tmp_path / "q", 1, read=[FakeProbe("do", "%", 80.0)])
    assert not await node.sample()
    assert "'%' is not 'mg/L'" in node.faults["do"]


async def test_the_last_will_tells_of_a_node_that_went_silently(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port)
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: bool(gateway.statuses))
        await node.link.pause()  # type: ignore[attr-defined]
        await until(lambda: gateway.statuses[-1]["state"] == "offline")
        before = len(gateway.samples)
        node.link.resume()  # type: ignore[attr-defined]
        await until(lambda: gateway.statuses[-1]["state"] == "online" and len(gateway.samples) > before)


async def test_garbage_from_the_gateway_changes_nothing(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", 1)
    await node.sample()
    for payload in (
        b"",
        b"\xff",
        b"[]",
        b"3",
        b'{"boot":1}',
        b'{"boot":"x","seq":1,"time":2}',
        b'{"boot":1,"seq":99,"time":null}',
    ):
        node._on_message(f"vuong/v1/nodes/{NODE}/ack", payload)
    node._on_message("else/where", b"{}")
    assert node.queue.held() == 1


@pytest.mark.parametrize("node", ["", "0123456789ABCDEF", "0123", "0123456789abcdeg"])
def test_a_node_id_that_is_no_eui64_is_refused(node: str) -> None:
    with pytest.raises(ValueError, match="EUI-64"):
        NodeConfig(node)


async def say(port: int, channel: str, message: object) -> None:
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.publish(f"vuong/v1/nodes/{NODE}/{channel}", json.dumps(message), qos=1)


@asynccontextmanager
async def replies(port: int) -> AsyncIterator[list[dict[str, object]]]:
    heard: list[dict[str, object]] = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(f"vuong/v1/nodes/{NODE}/reply", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                heard.append(json.loads(message.payload))

        task = asyncio.create_task(listen())
        yield heard
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_remote_configuration_is_applied_or_refused_with_its_reason(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port, settings=Settings(str(tmp_path / "settings.json")))
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: bool(gateway.statuses))
        await say(broker.port, "config", {"version": 2, "interval": 50})
        await until(lambda: gateway.statuses[-1].get("config") == 2)
        assert node.config.interval == 50
        await say(broker.port, "config", {"version": 3, "interval": 1})
        await until(lambda: "interval is 1" in str(gateway.statuses[-1].get("refused")))
        assert (node.config.interval, gateway.statuses[-1]["config"]) == (50, 2)


async def test_commands_are_carried_out_and_answered(tmp_path: Path, broker: Broker) -> None:
    def fail(message: dict[str, object]) -> dict[str, object]:
        raise ValueError(f"cannot {message['what']}")

    commands = {"echo": lambda message: {"said": message["text"]}, "fail": fail}
    node = make(tmp_path / "q", broker.port, interval=100_000, commands=commands)
    async with Gateway(NODE).on(broker.port), replies(broker.port) as heard, running(node):
        await until(lambda: node.link.is_up and node.seq == 1)
        await say(broker.port, "command", {"id": 1, "do": "sample"})
        await until(lambda: node.seq == 2)
        for message in (
            {"id": 2, "do": "echo", "text": "a"},
            {"id": 3, "do": "fail", "what": "that"},
            {"id": 4, "do": "dance"},
            {"id": 5, "do": "echo"},
            {"do": "sample"},
            [],
        ):
            await say(broker.port, "command", message)
        await until(lambda: len(heard) == 5)
        assert heard[:3] == [{"id": 1}, {"id": 2, "said": "a"}, {"id": 3, "error": "cannot that"}]
        assert "'dance' is not known; known are echo, fail, sample" in str(heard[3]["error"])
        assert heard[4]["error"]


async def test_calibrations_reach_the_gateway_as_ledger_entries(tmp_path: Path, broker: Broker) -> None:
    ledger = Ledger(str(tmp_path / "calibration.json"))
    node = make(tmp_path / "q", broker.port, ledger=ledger)
    ledger.add("ph", 1_790_000_000, "Lan", "lot 7", [100.0, 0.0], [97.0, 4.0])
    async with replies(broker.port) as heard, running(node):
        await until(lambda: bool(heard) and not ledger.unsent())
        assert heard[0]["calibration"] == ledger.newest("ph") | {"sent": False}  # type: ignore[operator]


async def test_deep_sleep_cycles_keep_boot_and_sequence(tmp_path: Path, broker: Broker) -> None:
    gateway = Gateway(NODE)
    resume = None
    async with gateway.on(broker.port):
        for cycle in range(1, 6):
            if cycle == 3:
                broker.kill()  # nobody there: the cycle ends in time all the same
            node = make(tmp_path / "q", broker.port, resume=resume)
            sent = await node.once(1.0 if cycle == 3 else 8.0)
            assert sent == (cycle != 3)
            resume = (node.boot, node.seq)
            if cycle == 3:
                broker.start()
                break
    async with gateway.on(broker.port):
        node = make(tmp_path / "q", broker.port, resume=resume)
        assert await node.once(8.0)
    assert sorted(gateway.samples) == [(node.boot, seq) for seq in (1, 2, 3, 4)]


async def test_a_driver_that_raises_is_a_fault_of_its_own_probe(tmp_path: Path) -> None:
    class Broken(FakeProbe):
        async def read(self, water: dict[str, float]) -> tuple[float | None, str, str]:
            raise RuntimeError("oh")

    node = make(tmp_path / "q", 1, read=[Broken("temperature", "°C", 0.0), FakeProbe("do", "mg/L", 5.0)])
    assert await node.sample()
    assert "oh" in node.faults["temperature"]


async def test_a_link_paused_while_it_opens_stays_down(broker: Broker) -> None:
    dialling, go = asyncio.Event(), asyncio.Event()
    really = dial("127.0.0.1", broker.port, NODE)

    async def slow(on_message: OnMessage, will: Will | None) -> Connection:
        dialling.set()
        await go.wait()
        return await really(on_message, will)

    link = Link(slow)
    link.attach(lambda *_: None, None, [], lambda: pytest.fail("a paused link came up"))
    running = asyncio.create_task(link.run())
    await dialling.wait()
    await link.pause()
    go.set()
    await asyncio.sleep(0.3)
    assert not link.is_up
    await link.stop()
    await asyncio.wait_for(running, 5)


async def test_a_motor_that_starts_or_stops_is_told_at_once_and_goes_into_no_sample(tmp_path: Path, broker: Broker) -> None:
    motor = FakeProbe("motor_current", "A", 4.2)
    node = make(tmp_path / "q", broker.port, read=[*probes(), motor])
    async with Gateway(NODE).on(broker.port) as gateway, running(node):
        await until(lambda: bool(gateway.statuses) and gateway.statuses[-1].get("motor_current") == 4.2)
        motor.value = 0.0
        await until(lambda: gateway.statuses[-1].get("motor_current") == 0.0)
        motor.status = NO_ANSWER
        await until(lambda: gateway.statuses[-1].get("probes") == {"motor_current": NO_ANSWER})
        assert {name for _, values in gateway.samples.values() for name in values} == {"temperature", "do"}
