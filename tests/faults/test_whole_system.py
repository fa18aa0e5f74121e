"""Nothing lost, nothing doubled: every published sequence number is found exactly once in the cloud, whatever was killed, cut or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import aiomqtt
import pytest

from demo import story
from demo.farm import Farm
from tests.faults.bench import Bench, Launch, whole
from vuong.contract import topics

pytestmark = pytest.mark.slow


async def test_gateway_killed_outright_mid_stream(launch: Launch) -> None:
    bench = await launch(factor=3000.0)
    for pause in (4.0, 2.0, 1.3, 2.7):
        await bench.run(pause)
        bench.kill("gw-vinh-chau")
    await bench.run(2)
    whole(await bench.drained(), at_least=300)


async def test_broker_restarted_and_killed(launch: Launch) -> None:
    bench = await launch(factor=3000.0)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        await bench.run(3)
        bench.kill("broker", number)
    await bench.run(3)
    whole(await bench.drained(), at_least=300)


async def test_cloud_down_for_a_day(launch: Launch) -> None:
    bench = await launch(factor=5400.0)  # a day in 16 s
    await bench.run(4)
    cloud = bench.system.tree.children["cloud"]
    cloud.keep = False
    bench.kill("cloud")
    await cloud.ended(10)
    before = bench.system.count().stored
    await bench.run(16)
    assert bench.system.count().stored == before
    cloud.start()
    cloud.keep = True
    whole(await bench.drained(), at_least=600)


async def test_wifi_gone_for_a_week(launch: Launch) -> None:
    factor = 30240.0  # a week in 20 s
    week = 7 * 86400

    def told(farm: Farm, begin: int) -> list[story.Event]:
        gone = begin + round(5 * factor)
        return [story.Event("offline", farm.ponds[0].node, farm.ponds[0].name, gone, gone + week)]

    bench = await launch(ponds=2, factor=factor, interval=900, told=told)
    await bench.run(30)
    counts = await bench.drained()
    whole(counts, at_least=2 * week // 900)


async def test_every_message_delivered_twice(launch: Launch) -> None:
    bench = await launch(factor=1500.0)
    doubled = 0

    async def double() -> None:
        nonlocal doubled
        seen: set[bytes] = set()
        async with aiomqtt.Client("127.0.0.1", bench.system.broker_port, identifier="doubler") as client:
            for channel in (topics.DATA, topics.BACKLOG):
                await client.subscribe(f"{topics.ROOT}/+/{channel}", qos=1)
            async for message in client.messages:
                payload = bytes(message.payload)  # type: ignore[arg-type]
                if payload not in seen:
                    seen.add(payload)
                    doubled += 1
                    await client.publish(str(message.topic), payload, qos=1)

    task = asyncio.create_task(double())
    await bench.run(12)
    counts = await bench.drained()
    task.cancel()
    whole(counts, at_least=100)
    assert doubled >= 100


async def test_node_that_reboots(launch: Launch) -> None:
    bench = await launch(factor=3000.0)
    for _ in range(4):
        await bench.run(2.5)
        bench.kill("nodes")
    await bench.run(2.5)
    counts = await bench.drained()
    whole(counts, at_least=200)


async def test_garbage_on_every_topic(launch: Launch) -> None:
    bench = await launch(factor=1500.0)
    node = bench.system.farm.ponds[0].node
    await _garbage(bench, node)
    counts = await bench.drained()
    whole(counts, at_least=60)
    for name in ("gw-vinh-chau", "nodes", "cloud"):
        assert bench.system.tree.children[name].restarts == 0, bench.log(name)[-2000:]


async def _garbage(bench: Bench, node: str) -> None:
    channels = (topics.DATA, topics.BACKLOG, topics.ACK, topics.STATUS, topics.CONFIG, topics.COMMAND, topics.REPLY, "nonsense")
    base = f"urn:dev:mac:{node}:"
    payloads = [
        b"",
        b"\x00",
        b"{",
        b"[]",
        b"null",
        b"[" * 5000,
        b'{"boot": "x", "seq": null}',
        b'{"state": 7}',
        json.dumps([{"bn": base, "n": "do", "u": "kg/m3", "v": 0.005}]).encode(),
        json.dumps([{"bn": base, "n": "boot", "v": -1}, {"n": "seq", "v": 1e99}, {"n": "do", "v": "wet"}]).encode(),
        json.dumps([{"bn": "urn:dev:mac:ffffffffffffffff:", "n": "boot", "v": 1}, {"n": "seq", "v": 1}]).encode(),
        os.urandom(64),
        os.urandom(2048),
        b"\xff" * 1000,
        b"\x9f" * 1000,
        b"\x81\xa1\x02\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    ]
    async with aiomqtt.Client("127.0.0.1", bench.system.broker_port, identifier="vandal") as client:
        for _ in range(6):
            for payload in payloads:
                for channel in channels:
                    await client.publish(topics.topic(node, channel), payload, qos=1)
                await client.publish(f"{topics.ROOT}/unknown/{topics.DATA}", payload, qos=1)
                await client.publish(f"{topics.ROOT}//{topics.DATA}", payload, qos=1)
            await bench.run(1.5)
