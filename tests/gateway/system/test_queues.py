"""What a real Mosquitto keeps for a gateway that is away: through kill -9, up to its limits, and what happens beyond them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import aiomqtt
import pytest

from tests.gateway.system.broker import Broker
from vuong.contract import topics

pytestmark = pytest.mark.slow

NODE = "70b3d57ed0001a2b"
DATA = topics.topic(NODE, topics.DATA)


async def _subscribe_and_leave(broker: Broker) -> None:
    async with broker.client("gateway", clean_session=False) as gateway:
        await gateway.subscribe(DATA, qos=1)


async def _publish(broker: Broker, count: int, size: int = 0) -> None:
    async with broker.client(NODE, max_inflight_messages=100) as node:
        for first in range(0, count, 100):
            numbers = range(first, min(first + 100, count))
            await asyncio.gather(*(node.publish(DATA, b"%d" % n + b" " * size, qos=1) for n in numbers))


async def _collect(broker: Broker) -> list[int]:
    """Return the numbers that wait for the gateway, in the order in which they come."""
    heard: list[int] = []
    async with broker.client("gateway", clean_session=False) as gateway, broker.client(NODE) as node:
        await asyncio.sleep(0.2)  # a full queue would drop the mark that ends it
        await node.publish(DATA, b"-1", qos=1)
        async with asyncio.timeout(20):
            async for message in gateway.messages:
                assert isinstance(message.payload, bytes)
                if (number := int(message.payload)) < 0:
                    break
                heard.append(number)
    return heard


async def test_orderly_restart_keeps_everything(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker()
    await _subscribe_and_leave(broker)
    await _publish(broker, 700)
    broker.stop()
    broker.start()
    assert await _collect(broker) == list(range(700))


async def test_kill_keeps_all_up_to_the_last_save(make_broker: Callable[..., Broker]) -> None:
    """The broker saves every `autosave_changes` changes; what came after is the node's to send again, which has no acknowledgement yet."""
    broker = make_broker()
    await _subscribe_and_leave(broker)
    await _publish(broker, 1800)
    broker.stop(signal.SIGKILL)
    broker.start()
    kept = await _collect(broker)
    assert kept == list(range(len(kept)))
    assert 1800 - len(kept) <= broker.layout.autosave_changes


async def test_kill_loses_nothing_where_every_change_is_saved(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker(autosave_changes=1)
    await _subscribe_and_leave(broker)
    await _publish(broker, 50)
    await asyncio.sleep(0.2)  # it saves after the round of its loop in which it answered
    broker.stop(signal.SIGKILL)
    broker.start()
    assert await _collect(broker) == list(range(50))


async def test_retained_status_survives_a_kill(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker(autosave_changes=1)
    async with broker.client(NODE) as node:
        await node.publish(topics.topic(NODE, topics.STATUS), b"online", qos=1, retain=True)
    await asyncio.sleep(0.2)
    broker.stop(signal.SIGKILL)
    broker.start()
    async with broker.client("gateway") as gateway:
        await gateway.subscribe(topics.topic("+", topics.STATUS), qos=1)
        async with asyncio.timeout(5):
            message = await anext(gateway.messages)
    assert (message.payload, message.retain) == (b"online", True)


async def test_packet_above_the_limit_is_cut_off(make_broker: Callable[..., Broker]) -> None:
    broker = make_broker()
    await _subscribe_and_leave(broker)
    limit = broker.layout.packet_bytes
    async with broker.client(NODE) as node:
        await node.publish(DATA, b"0" + b" " * (limit - 200), qos=1)  # the largest that still passes
    with pytest.raises(aiomqtt.MqttError):
        async with broker.client(NODE, timeout=2) as node:
            await node.publish(DATA, b"1" + b" " * limit, qos=1)
    assert broker.said("oversize packet")
    assert await _collect(broker) == [0]


@pytest.mark.parametrize("limits", [{"queued_messages": 300}, {"queued_bytes": 300 * 100}], ids=["messages", "bytes"])
async def test_full_queue_keeps_the_oldest(make_broker: Callable[..., Broker], limits: dict[str, int]) -> None:
    """Beyond the limit the newest are dropped although they are PUBACKed; the node still has them. The broker does not grow."""
    broker = make_broker(**limits)
    await _subscribe_and_leave(broker)
    await _publish(broker, 1000, size=97)
    kept = await _collect(broker)
    assert kept == list(range(len(kept)))
    # What is in flight (200 at most) counts beside the queue.
    assert 290 <= len(kept) <= 510


async def test_default_queue_fits_a_pi(make_broker: Callable[..., Broker], capsys: pytest.CaptureFixture[str]) -> None:
    """A full queue of full-size messages stays below what systemd allows the broker."""
    broker = make_broker()
    await _subscribe_and_leave(broker)
    await _publish(broker, 12_000, size=2000)
    resident = broker.process.memory_info().rss
    broker.stop()
    saved = (broker.layout.broker_state / "mosquitto.db").stat().st_size
    with capsys.disabled():
        sys.stdout.write(f"\nfull queue: broker resident {resident / 2**20:.0f} MiB, saved file {saved / 2**20:.1f} MiB\n")
    assert resident < 96 * 2**20
    assert saved < 24 * 2**20
