"""The gateway's own connection: TLS and certificates against a real Mosquitto under the shipped configuration."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.broker import Broker as Connection
from gateway.config import Config, ConfigError, Mqtt
from gateway.ingest import Ingest
from gateway.observation import Pond
from gateway.store.store import Store
from tests.gateway.system.authority import Authority
from tests.gateway.system.broker import Broker
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.contract.encode import json_pack
from vuong.limits import Limits

pytestmark = pytest.mark.slow

NODE = "70b3d57ed0000c0c"


def settings(broker: Broker, **changes: object) -> Mqtt:
    tls, name = broker.layout.tls, broker.layout.gateway_identity
    given: dict[str, object] = {
        "host": "localhost",
        "port": broker.layout.port,
        "ca_file": tls / "ca.crt",
        "cert_file": tls / f"{name}.crt",
        "key_file": tls / f"{name}.key",
    }
    return Mqtt(**{**given, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def gateway(folder: Path, mqtt: Mqtt) -> AsyncIterator[Store]:
    """Run the real connection, ingest and store."""
    pond = Pond("p", "p", Limits())
    config = Config("gw", "gw", folder / "gateway.db", mqtt, None, {"p": pond}, {NODE: pond})
    store = Store(config.database)
    connection = Connection("gw", mqtt, Ingest(config, store, SystemClock()), lambda: None)
    task = asyncio.create_task(connection.run())
    try:
        yield store
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        store.close()


def sample(seq: int) -> bytes:
    return bytes(json_pack(NODE, [(7, seq, 0, {"do": 600})], {7: 1}))


async def acknowledged(broker: Broker, seqs: range) -> int:
    """Be the node: publish until all is acknowledged; return the mark."""
    async with broker.client(NODE) as node:
        await node.subscribe(topics.topic(NODE, topics.ACK))

        async def speak() -> None:
            while True:
                for seq in seqs:
                    await node.publish(topics.topic(NODE, topics.DATA), sample(seq), qos=1)
                await asyncio.sleep(0.5)

        speaking = asyncio.create_task(speak())
        try:
            async with asyncio.timeout(20):
                async for message in node.messages:
                    assert isinstance(message.payload, bytes)
                    mark = int(json.loads(message.payload)["seq"])
                    if mark >= seqs[-1]:
                        return mark
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
    raise AssertionError


async def test_a_node_is_acknowledged_through_tls_and_acl(broker: Broker, tmp_path: Path) -> None:
    async with gateway(tmp_path, settings(broker)) as store:
        assert await acknowledged(broker, range(1, 6)) == 5
        assert store.next_position() == 6


async def test_it_comes_back_after_the_broker_was_killed(make_broker: object, tmp_path: Path) -> None:
    broker: Broker = make_broker()  # type: ignore[operator]
    async with gateway(tmp_path, settings(broker)) as store:
        await acknowledged(broker, range(1, 4))
        broker.stop()
        await asyncio.sleep(1.5)
        broker.start()
        assert await acknowledged(broker, range(4, 7)) == 6
        assert store.next_position() == 7


@pytest.mark.parametrize("fault", ["no certificate", "a foreign certificate", "a foreign broker", "no TLS"])
async def test_it_says_why_it_is_not_let_in(broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    foreign = Authority(tmp_path / "foreign", "Somebody else")
    foreign.issue("gateway")
    mqtt = {
        "no certificate": settings(broker, cert_file=None, key_file=None),
        "a foreign certificate": settings(
            broker, cert_file=foreign.folder / "gateway.crt", key_file=foreign.folder / "gateway.key"
        ),
        "a foreign broker": settings(broker, ca_file=foreign.folder / "ca.crt"),
        "no TLS": settings(broker, ca_file=None, cert_file=None, key_file=None),
    }[fault]
    with caplog.at_level(logging.WARNING, logger="gateway.broker"):
        async with gateway(tmp_path, mqtt) as store:
            for _ in range(200):
                if "no connection to the broker" in caplog.text:
                    break
                await asyncio.sleep(0.1)
            assert store.next_position() == 1
    assert "no connection to the broker" in caplog.text
    assert "connected to the broker at" not in caplog.text.replace("no connection", "")


def test_certificates_that_cannot_be_read_end_the_start(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        Connection("gw", settings(broker, ca_file=tmp_path / "nothing"), None, lambda: None)  # type: ignore[arg-type]
