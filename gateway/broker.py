"""The MQTT side: subscribe, gather what came in, let the ingest commit it, publish the acknowledgements."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, cast

import aiomqtt

from gateway.config import ConfigError, Mqtt
from gateway.ingest import Ingest
from vuong.contract import topics

_LOG = logging.getLogger(__name__)

SUBSCRIPTIONS: Final = tuple((topics.topic("+", channel), 1) for channel in (topics.DATA, topics.BACKLOG, topics.STATUS))
# One commit costs a disk flush whatever its size: messages are gathered for so long, or up to so many.
GATHER: Final = 0.05
MOST: Final = 2000
# A flood that comes faster than it can be judged must not fill the memory: what does not fit is dropped, and the nodes send it again.
MOST_WAITING: Final = 20_000
RECONNECT: Final = 1.0


def _tls(mqtt: Mqtt) -> ssl.SSLContext | None:
    if mqtt.ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file)
        if mqtt.cert_file is not None and mqtt.key_file is not None:
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the certificates named in [mqtt] cannot be used: {error}; check ca_file, cert_file and key_file"
        ) from None
    return context


def _password(mqtt: Mqtt) -> str | None:
    if mqtt.password_file is None:
        return None
    try:
        return mqtt.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"mqtt.password_file {mqtt.password_file} cannot be read: {error}") from None


class Broker:
    """Keeps the connection to the broker.

    Parameters
    ----------
    gateway : id of the gateway; its session at the broker outlives the connection
    mqtt : where the broker is
    ingest : takes the messages
    committed : called after each commit that had something in it
    """

    def __init__(self, gateway: str, mqtt: Mqtt, ingest: Ingest, committed: Callable[[], None]) -> None:
        self._identifier = f"vuong-gateway-{gateway}"
        self._mqtt, self._ingest, self._committed = mqtt, ingest, committed
        self._password, self._tls = _password(mqtt), _tls(mqtt)

    async def run(self) -> None:
        """Listen for ever; connect again whenever the connection is lost."""
        told = ""
        while True:
            try:
                await self._listen()
            except aiomqtt.MqttError as error:
                text = f"no connection to the broker at {self._mqtt.host}:{self._mqtt.port} ({error})"
                if text != told:
                    _LOG.warning("%s; trying again", text)
                    told = text
            await asyncio.sleep(RECONNECT)

    async def _listen(self) -> None:
        inbox: asyncio.Queue[aiomqtt.Message] = asyncio.Queue(MOST_WAITING)
        async with aiomqtt.Client(
            self._mqtt.host,
            self._mqtt.port,
            username=self._mqtt.username,
            password=self._password,
            tls_context=self._tls,
            identifier=self._identifier,
            clean_session=False,
            # The client's iterator makes a task for every message. With a queue of our own we wait so for the first one only.
            queue_type=cast("type[asyncio.Queue[aiomqtt.Message]]", lambda maxsize: inbox),  # noqa: ARG005
        ) as client:
            await client.subscribe(list(SUBSCRIPTIONS))
            _LOG.info("connected to the broker at %s:%d", self._mqtt.host, self._mqtt.port)
            commit: asyncio.Task[None] | None = None
            try:
                async for first in client.messages:
                    await asyncio.sleep(GATHER)
                    batch = [first]
                    while not inbox.empty() and len(batch) < MOST:
                        batch.append(inbox.get_nowait())
                    self._ingest.take((message.topic.value, _bytes(message.payload)) for message in batch)
                    # While one transaction is flushed the next is taken in, and no more than that.
                    if commit is not None:
                        await commit
                    commit = asyncio.create_task(self._commit(client))
            finally:
                if commit is not None:
                    await commit

    async def _commit(self, client: aiomqtt.Client) -> None:
        acks = await self._ingest.commit_aside()
        self._committed()
        for ack in acks:
            topic, payload = ack.message()
            # QoS 0: an acknowledgement that is lost comes again, because the node sends again.
            await client.publish(topic, payload)


def _bytes(payload: object) -> bytes:
    return payload if isinstance(payload, bytes) else b""
