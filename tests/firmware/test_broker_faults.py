"""Brokers that are killed, frozen, slow, half-open, refuse rights in silence, or cannot be found: the node never waits for ever and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware.link import Link
from firmware.link import broker as dial
from firmware.mqtt import LINK_ERRORS, Connection, MqttError

from .conftest import Broker, Gateway, free_port, until
from .test_node import NODE, assigned, make, running


def ignore(topic: str, payload: bytes) -> None:
    """Take no message."""


class Wire:
    """A TCP relay before the broker: it can hold everything back without closing (half-open), or pass it slowly."""

    def __init__(self, target: int) -> None:
        self.target, self.port = target, free_port()
        self._open = asyncio.Event()
        self.hold = False
        self.delay = 0.0
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def hold(self) -> bool:
        return not self._open.is_set()

    @hold.setter
    def hold(self, wanted: bool) -> None:
        if wanted:
            self._open.clear()
        else:
            self._open.set()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                await self._open.wait()
                await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._relay(*pair))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Wire]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            server.close()
            for task in list(self.tasks):
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.mark.slow
async def test_a_frozen_broker_is_noticed_and_nothing_is_lost(tmp_path: Path, broker: Broker) -> None:
    node = make(tmp_path / "q", broker.port)
    gateway = Gateway(NODE)
    assert broker.process is not None
    async with gateway.on(broker.port), running(node):
        await until(lambda: node.seq >= 3 and node.queue.held() == 0)
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: not node.link.is_up, 10)
            frozen_at = node.seq
            await until(lambda: node.seq >= frozen_at + 5)  # sampling goes on
            assert node.queue.held() >= 5
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        await until(lambda: node.queue.held() <= 1 and len(gateway.samples) >= node.seq - 2, 15)


async def test_rights_that_are_refused_in_silence_make_a_node_forget_nothing(tmp_path: Path) -> None:
    """MQTT 3.1.1: Mosquitto acknowledges what its access list drops."""
    rules = tmp_path / "acl"
    rules.write_text("topic read #\ntopic write vuong/v1/nodes/+/status\n")
    broker = Broker(tmp_path, f"acl_file {rules}\n")
    broker.start()
    try:
        node = make(tmp_path / "q", broker.port)
        gateway = Gateway(NODE)
        async with running(node):
            async with gateway.on(broker.port):
                await until(lambda: node.seq >= 8 and bool(gateway.statuses))
                connection = node.link._connection
                assert connection is not None
                assert connection.acknowledged >= 5  # so says the broker
                assert not gateway.samples
                assert node.queue.held() == node.queue.last(node.boot)
            rules.write_text("topic readwrite #\n")
            broker.kill()
            broker.start()
            async with gateway.on(broker.port):
                await until(
                    lambda: node.queue.held() <= 1 and assigned(node) - set(gateway.samples) <= {(node.boot, node.seq)}, 15
                )
    finally:
        broker.kill()


@pytest.mark.slow
async def test_a_half_open_connection_is_noticed_within_the_keep_alive(tmp_path: Path, broker: Broker) -> None:
    async with Wire(broker.port).up() as wire:
        node = make(tmp_path / "q", wire.port, interval=10_000)
        async with Gateway(NODE).on(broker.port) as gateway, running(node):
            await until(lambda: node.queue.held() == 0 and node.seq == 1 and len(gateway.samples) == 1)
            wire.hold = True
            since = time.monotonic()
            await until(lambda: not node.link.is_up, 6)
            assert time.monotonic() - since <= 4.5  # keep-alive 2 s, time limit 2 s
            wire.hold = False
            await until(lambda: node.link.is_up, 6)


@pytest.mark.slow
async def test_a_slow_wire_is_slow_and_nothing_else(tmp_path: Path, broker: Broker) -> None:
    async with Wire(broker.port).up() as wire:
        wire.delay = 0.3
        node = make(tmp_path / "q", wire.port, interval=50)
        async with Gateway(NODE).on(broker.port) as gateway, running(node):
            await until(lambda: len(gateway.samples) >= 4, 15)
            assert node.link.opened == 1


async def test_a_name_that_does_not_resolve_is_tried_again_with_growing_waits(tmp_path: Path) -> None:
    link = Link(dial("gateway.invalid", 1883, NODE, timeout=2.0), shortest=0.05, longest=0.4)
    node = make(tmp_path / "q", 1)
    node.link = link
    link.attach(node._on_message, None, [], node._on_up)
    async with running(node):
        await until(lambda: link.failures >= 3, 15)
        assert node.seq >= 1
        assert isinstance(link.error, LINK_ERRORS)
        assert link.opened == 0


def test_waits_between_tries_double_up_to_a_bound_and_are_spread() -> None:
    link = Link(dial("127.0.0.1", 1, NODE), shortest=1.0, longest=300.0)
    for failures, middle in ((0, 1.0), (1, 2.0), (5, 32.0), (9, 300.0), (99, 300.0)):
        link.failures = failures
        waits = [link._back_off() for _ in range(200)]
        assert min(waits) >= middle * 0.5
        assert max(waits) <= middle * 1.5
        assert max(waits) - min(waits) > middle * 0.5


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"\x20\x02\x00\x05", "not authorised"),
        (b"\x20\x02\x00\x63", "99"),
        (b"\x30\x00", "packet type 3"),
        (b"\x20\xff\xff\xff\xff\x7f", "malformed"),
        (b"\x20\xff\xff\x7f", "2097151 B"),
        (b"", ""),
    ],
)
async def test_a_broker_that_refuses_or_talks_nonsense_is_an_error_that_says_so(reply: bytes, reason: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LINK_ERRORS) as caught:
            await Connection.open("127.0.0.1", port, NODE, ignore, timeout=1.0)
        if reason:
            assert isinstance(caught.value, MqttError)
            assert reason in str(caught.value)


async def test_a_broker_that_never_answers_is_given_up() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        with pytest.raises(asyncio.TimeoutError):
            await Connection.open("127.0.0.1", server.sockets[0].getsockname()[1], NODE, ignore, timeout=0.3)


async def test_the_outbox_is_bounded(broker: Broker) -> None:
    async with Wire(broker.port).up() as wire:
        connection = await Connection.open("127.0.0.1", wire.port, NODE, ignore, timeout=1.0, max_unacknowledged=2)
        wire.hold = True
        results = await asyncio.gather(*(connection.publish("a", b"x") for _ in range(4)), return_exceptions=True)
        assert sum(isinstance(r, MqttError) and "wait for the broker already" in str(r) for r in results) == 2
        assert all(isinstance(r, LINK_ERRORS) for r in results)
        await connection.close()
