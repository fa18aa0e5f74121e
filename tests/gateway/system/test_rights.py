"""Who may say and hear what: the ACL of a real Mosquitto, from the receiver's side (a dropped publish is still answered with PUBACK)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aiomqtt
import pytest

from tests.gateway.system.broker import Broker
from vuong.contract import topics

pytestmark = pytest.mark.slow

A, B = "70b3d57ed0000a0a", "70b3d57ed0000b0b"
FROM_NODE = (topics.DATA, topics.BACKLOG, topics.STATUS, topics.REPLY)
TO_NODE = (topics.ACK, topics.CONFIG, topics.COMMAND)


async def _until(client: aiomqtt.Client, last: bytes) -> list[tuple[str, bytes]]:
    """Collect what arrives until the payload `last`: what was sent before it and is missing then was dropped."""
    heard: list[tuple[str, bytes]] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            if message.payload == last:
                break
            heard.append((str(message.topic), message.payload))
    return heard


@pytest.mark.parametrize("channel", FROM_NODE)
async def test_gateway_hears_every_node_on_its_own_topics(broker: Broker, channel: str) -> None:
    async with broker.client("gateway") as gateway, broker.client(A) as a, broker.client(B) as b:
        await gateway.subscribe(f"{topics.ROOT}/+/{channel}", qos=1)
        await a.publish(topics.topic(A, channel), b"from a", qos=1)
        await b.publish(topics.topic(B, channel), b"from b", qos=1)
        await b.publish(topics.topic(B, channel), b"last", qos=1)
        heard = await _until(gateway, b"last")
    assert sorted(heard) == [(topics.topic(A, channel), b"from a"), (topics.topic(B, channel), b"from b")]


@pytest.mark.parametrize("channel", FROM_NODE)
async def test_node_cannot_speak_for_another(broker: Broker, channel: str) -> None:
    async with broker.client("gateway") as gateway, broker.client(A) as a:
        await gateway.subscribe(f"{topics.ROOT}/+/{channel}", qos=1)
        await a.publish(topics.topic(B, channel), b"forged", qos=1)  # PUBACKed all the same
        await a.publish(topics.topic(A, channel), b"last", qos=1)
        assert await _until(gateway, b"last") == []


@pytest.mark.parametrize("channel", TO_NODE)
async def test_node_hears_only_what_is_meant_for_it(broker: Broker, channel: str) -> None:
    async with broker.client("gateway") as gateway, broker.client(A) as a:
        for name in (topics.topic(B, channel), f"{topics.ROOT}/+/{channel}", "#", "$SYS/#", topics.topic(A, channel)):
            with suppress(aiomqtt.MqttError):  # a refused subscription may be told; what counts is what arrives
                await a.subscribe(name, qos=1)
        await gateway.publish(topics.topic(B, channel), b"for b", qos=1)
        await gateway.publish(topics.topic(A, channel), b"last", qos=1)
        assert await _until(a, b"last") == []


async def test_node_cannot_hear_another_nodes_data(broker: Broker) -> None:
    async with broker.client(A) as a, broker.client(B) as b, broker.client("gateway") as gateway:
        with suppress(aiomqtt.MqttError):
            await a.subscribe("vuong/v1/nodes/#", qos=1)
        await a.subscribe(topics.topic(A, topics.ACK), qos=1)
        await b.publish(topics.topic(B, topics.DATA), b"b's own", qos=1)
        await gateway.publish(topics.topic(A, topics.ACK), b"last", qos=1)
        assert await _until(a, b"last") == []


@pytest.mark.parametrize("channel", TO_NODE)
async def test_node_cannot_play_the_gateway(broker: Broker, channel: str) -> None:
    """Neither to another nor to itself: a forged acknowledgement would make a node forget readings."""
    async with broker.client("gateway") as gateway, broker.client(A) as a, broker.client(B) as b:
        await b.subscribe(topics.topic(B, channel), qos=1)
        await a.subscribe(topics.topic(A, channel), qos=1)
        await a.publish(topics.topic(B, channel), b"forged", qos=1)
        await a.publish(topics.topic(A, channel), b"forged", qos=1)
        for node in (A, B):
            await gateway.publish(topics.topic(node, channel), b"last", qos=1)
        assert await _until(a, b"last") == []
        assert await _until(b, b"last") == []


async def test_gateway_cannot_speak_for_a_node(broker: Broker) -> None:
    async with broker.client("gateway") as gateway, broker.client(A) as a:
        await gateway.subscribe(topics.topic("+", topics.DATA), qos=1)
        await gateway.publish(topics.topic(A, topics.DATA), b"forged", qos=1)
        await a.publish(topics.topic(A, topics.DATA), b"last", qos=1)
        assert await _until(gateway, b"last") == []


@pytest.mark.parametrize("name", ["+", "#", "a+", "+/data"])
async def test_certificate_named_like_a_wildcard_has_no_rights(broker: Broker, name: str) -> None:
    broker.authority.issue(name, file="wildcard")
    async with broker.client("gateway") as gateway, broker.client(A) as a, broker.client("wildcard") as wildcard:
        await gateway.subscribe(f"{topics.ROOT}/+/data", qos=1)
        for target in (topics.topic(A, topics.DATA), f"{topics.ROOT}/a/data"):
            with suppress(aiomqtt.MqttError):
                await wildcard.publish(target, b"forged", qos=1)
        with suppress(aiomqtt.MqttError):
            await wildcard.subscribe(topics.topic("+", topics.ACK), qos=1)
        await a.publish(topics.topic(A, topics.DATA), b"last", qos=1)
        assert await _until(gateway, b"last") == []


async def test_last_will_of_a_node_is_heard(broker: Broker) -> None:
    async with broker.client("gateway") as gateway:
        await gateway.subscribe(topics.topic(A, topics.STATUS), qos=1)
        await asyncio.to_thread(broker.die, A, topics.topic(A, topics.STATUS), b'{"state":"offline"}')
        async with asyncio.timeout(10):
            message = await anext(gateway.messages)
    assert message.payload == b'{"state":"offline"}'


async def test_last_will_on_anothers_topic_is_not_published(broker: Broker) -> None:
    async with broker.client("gateway") as gateway, broker.client(B) as b:
        await gateway.subscribe(topics.topic(B, topics.STATUS), qos=1)
        await asyncio.to_thread(broker.die, A, topics.topic(B, topics.STATUS), b"forged")
        await asyncio.sleep(0.3)
        await b.publish(topics.topic(B, topics.STATUS), b"last", qos=1)
        assert await _until(gateway, b"last") == []
