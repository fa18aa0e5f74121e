"""The MQTT side: subscribe, gather what came in, let the ingest commit it, publish the acknowledgements.

The client is gmqtt: it parses many packets a read and costs 9 µs a message here, where aiomqtt, on paho, costs 65 (``benchmarks/gateway.py``).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import gmqtt
from gmqtt.mqtt.constants import MQTTv311
from gmqtt.mqtt.handler import MQTTError

from gateway.config import ConfigError, Mqtt
from gateway.ingest import Ingest
from gateway.transaction import Ack
from vuong.contract import topics

_LOG = logging.getLogger(__name__)

SUBSCRIPTIONS: Final = tuple(
    (topics.topic("+", channel), 1) for channel in (topics.DATA, topics.BACKLOG, topics.STATUS, topics.REPLY)
)
# One commit costs a disk flush whatever its size: messages are gathered for so long, or up to so many.
GATHER: Final = 0.05
MOST: Final = 2000
# A flood that comes faster than it can be judged must not fill the memory: what does not fit is dropped, and the nodes send it again.
MOST_WAITING: Final = 20_000
BUSY: Final = 100  # messages in one commit from which on acknowledgements are put together
TOLD_WITHIN: Final = 0.25
RECONNECT: Final = 1.0
PATIENCE: Final = 10.0
_REPLY: Final = f"/{topics.REPLY}"
_QUIET: Final = logging.getLogger("gmqtt.quiet")  # what it says of each lost connection is said by `run`, once
_QUIET.setLevel(logging.CRITICAL)


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


class _Replies:
    """Acknowledges what a node sends once only, its calibrations, when that is stored; readings have an acknowledgement of their own.

    gmqtt knows only one way with MQTT 3.1.1: to acknowledge before it hands a message over. So its handler of messages is asked here, and the
    many readings cost nothing more (``tests/gateway/test_messages.py`` notices a gmqtt that does it otherwise).
    """

    def __init__(self, client: gmqtt.Client, keep: Callable[[str, bytes], Awaitable[None]]) -> None:
        handler = client._package_handler
        self._client, self._handler, self._keep = client, handler, keep
        self._at_once = handler._handle_qos_1_publish_packet
        self._keeping: set[asyncio.Task[None]] = set()
        handler._handle_qos_1_publish_packet = self._take

    def _take(self, mid: int, packet: bytes, topic: str, properties: dict[str, object]) -> None:
        if not topic.endswith(_REPLY):
            self._at_once(mid, packet, topic, properties)
            return
        task = asyncio.create_task(self._later(mid, topic, bytes(packet)))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _later(self, mid: int, topic: str, payload: bytes) -> None:
        await self._keep(topic, payload)
        if self._client.is_connected:
            self._handler._send_puback(mid)

    def close(self) -> None:
        """Acknowledge nothing more: the broker sends it again."""
        for task in self._keeping:
            task.cancel()


class ConnectionLostError(Exception):
    """The broker closed the connection, or the network did."""


class Broker:
    """Keeps the connection to the broker.

    Parameters
    ----------
    gateway : id of the gateway; its session at the broker outlives the connection
    mqtt : where the broker is
    ingest : takes the messages
    committed : called after each commit
    """

    def __init__(self, gateway: str, mqtt: Mqtt, ingest: Ingest, committed: Callable[[], None]) -> None:
        self._identifier = f"vuong-gateway-{gateway}"
        self._mqtt, self._ingest, self._committed = mqtt, ingest, committed
        self._password, self._tls = _password(mqtt), _tls(mqtt)
        self._inbox: list[tuple[str, bytes]] = []
        self._woken = asyncio.Event()
        self._lost = False
        self._acks: dict[tuple[str, int], Ack] = {}
        self._telling: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Listen for ever; connect again whenever the connection is lost."""
        told = ""
        while True:
            try:
                await self._listen()
            except (OSError, MQTTError, ConnectionLostError, TimeoutError) as error:
                why = str(error) or type(error).__name__
                text = f"no connection to the broker at {self._mqtt.host}:{self._mqtt.port} ({why})"
                if text != told:
                    _LOG.warning("%s; trying again", text)
                    told = text
            await asyncio.sleep(RECONNECT)

    async def _listen(self) -> None:
        client = gmqtt.Client(self._identifier, clean_session=False, logger=_QUIET)
        replies = _Replies(client, self._keep)
        client.set_config({"reconnect_retries": 0, "reconnect_delay": 0})  # `run` connects again, with a word about it
        if self._mqtt.username is not None:
            client.set_auth_credentials(self._mqtt.username, self._password)
        subscribed = asyncio.Event()
        client.on_message = self._message
        client.on_disconnect = self._disconnected
        client.on_subscribe = lambda *_: subscribed.set()
        self._lost, commit = False, None
        try:
            async with asyncio.timeout(PATIENCE):
                await client.connect(self._mqtt.host, self._mqtt.port, ssl=self._tls or False, keepalive=60, version=MQTTv311)
                client.subscribe([gmqtt.Subscription(topic, qos=qos) for topic, qos in SUBSCRIPTIONS])
                await subscribed.wait()
            _LOG.info("connected to the broker at %s:%d", self._mqtt.host, self._mqtt.port)
            while True:
                await self._woken.wait()
                if self._lost and not self._inbox:
                    raise ConnectionLostError("it was lost")
                await asyncio.sleep(GATHER)
                batch = self._inbox[:MOST]
                del self._inbox[:MOST]
                if not self._inbox and not self._lost:
                    self._woken.clear()
                self._ingest.take(batch)
                # While one transaction is flushed the next is taken in, and no more than that.
                if commit is not None:
                    await commit
                commit = asyncio.create_task(self._commit(client, busy=len(batch) >= BUSY))
        finally:
            if commit is not None:
                await commit
            self._tell(client)
            replies.close()
            await client.disconnect()

    def _message(self, client: object, topic: str, payload: bytes, *_: object) -> int:
        del client
        if len(self._inbox) < MOST_WAITING:
            self._inbox.append((topic, bytes(payload)))
            self._woken.set()
        else:
            self._ingest.counts["dropped"] += 1
        return 0

    async def _keep(self, topic: str, payload: bytes) -> None:
        """Take a reply, and wait until a calibration in it is stored; not for ever: a full disk must not hold the readings behind it up."""
        before = len(self._ingest.said)
        self._ingest.take([(topic, payload)])
        entries = self._ingest.said[before:]
        self._woken.set()
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while (  # noqa: ASYNC110 - rare, and over in a moment
            any(entry in self._ingest.said for entry in entries) and asyncio.get_running_loop().time() < deadline
        ):
            await asyncio.sleep(GATHER)

    def _disconnected(self, *_: object) -> None:
        self._lost = True
        self._woken.set()

    async def _commit(self, client: gmqtt.Client, *, busy: bool) -> None:
        for ack in await self._ingest.commit_aside():
            self._acks[ack.node, ack.boot] = ack
        self._committed()
        # Under load a node is told of several commits at once.
        if self._acks and self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TOLD_WITHIN if busy else 0, self._tell, client)

    def _tell(self, client: gmqtt.Client) -> None:
        """Publish the acknowledgements that wait; at QoS 0: one that is lost comes again, because the node sends again."""
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        acks, self._acks = self._acks, {}
        if client.is_connected:
            for ack in acks.values():
                client.publish(*ack.message(), qos=0)
