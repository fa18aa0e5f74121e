"""To nodes through the gateway's broker: MQTT with TLS under the technician's certificate."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import aiomqtt

from provisioning.failure import Failure
from provisioning.link.identity import context, knock, place
from provisioning.link.line import ANSWER, STAY, checked
from provisioning.workspace import Workspace
from vuong.contract import topics

_LOG: Final = logging.getLogger(__name__)
_PACKETS: Final = _LOG.getChild("packets")
_PACKETS.setLevel(logging.WARNING)  # the technician's log is not for every packet
_RETAINED: Final = 1.5  # s within which the broker has handed out what it keeps


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: node, channel, payload, whether it is a retained one from before."""

    node: str
    channel: str
    payload: bytes
    retained: bool

    def json(self) -> dict[str, Any]:
        """Return the payload's object, empty where it is none."""
        with suppress(ValueError):
            found = json.loads(self.payload)
            if isinstance(found, dict):
                return found
        return {}


@dataclass(slots=True)
class Gateway:
    """An open connection to a gateway's broker; see `connected`.

    Attributes
    ----------
    host, port : of the broker
    statuses, configs : newest status and remote configuration of each node that was heard
    """

    host: str
    port: int
    _client: aiomqtt.Client
    _tls: ssl.SSLContext
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ears: list[asyncio.Queue[Heard | Failure]] = field(default_factory=list)
    _lost: Failure | None = None

    async def run(self) -> None:
        """Hand what comes in to whoever listens, until the connection is lost."""
        try:
            async for message in self._client.messages:
                parsed = topics.parse(message.topic.value)
                if parsed is None or not isinstance(message.payload, bytes):
                    continue
                heard = Heard(*parsed, message.payload, message.retain)
                if heard.channel == topics.STATUS and (status := heard.json()):
                    self.statuses[heard.node] = status
                if heard.channel == topics.CONFIG:
                    self.configs[heard.node] = heard.json()
                for ear in self._ears:
                    ear.put_nowait(heard)
        except aiomqtt.MqttError as error:
            _LOG.warning("connection lost: %s (%s)", error, error.__cause__)
            self._lost = await self._why(error)
            for ear in self._ears:
                ear.put_nowait(self._lost)

    async def _why(self, error: aiomqtt.MqttError) -> Failure:
        """Return what a lost connection most likely means: Mosquitto 2.0 says no word to who is thrown out by the same identity elsewhere."""
        try:
            await asyncio.to_thread(knock, self.host, self.port, self._tls)
        except Failure:
            return Failure("gateway_lost", host=self.host, problem=error)
        return Failure("taken_over", host=self.host)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[asyncio.Queue[Heard | Failure]]:
        """Yield a queue that gets everything from now on, a `Failure` at the end of the connection."""
        ear: asyncio.Queue[Heard | Failure] = asyncio.Queue()
        if self._lost is not None:
            raise self._lost
        self._ears.append(ear)
        try:
            yield ear
        finally:
            self._ears.remove(ear)

    async def publish(self, node: str, channel: str, message: dict[str, Any], *, retain: bool = False) -> None:
        """Tell a node something.

        Raises
        ------
        Failure
            if the connection is lost, or the broker does not let a technician say it
        """
        try:
            await self._client.publish(
                topics.topic(node, channel), json.dumps(message, ensure_ascii=False).encode(), qos=1, retain=retain
            )
        except aiomqtt.MqttError as error:
            raise self._lost or Failure("gateway_lost", host=self.host, problem=error) from None

    async def gather(self, seconds: float = _RETAINED) -> dict[str, dict[str, Any]]:
        """Return each node's newest status after the broker had `seconds` to hand out what it keeps."""
        await asyncio.sleep(seconds)
        if self._lost is not None:
            raise self._lost
        return self.statuses


async def heard_next(ear: asyncio.Queue[Heard | Failure], seconds: float) -> Heard | None:
    """Return the next message, ``None`` where none came in time.

    Raises
    ------
    Failure
        if the connection is lost
    """
    try:
        found = await asyncio.wait_for(ear.get(), max(0.0, seconds))
    except TimeoutError:
        return None
    if isinstance(found, Failure):
        raise found
    return found


@asynccontextmanager
async def connected(workspace: Workspace, gateway: str) -> AsyncIterator[Gateway]:
    """Connect to the broker of a gateway, ``HOST[:PORT]``.

    Raises
    ------
    Failure
        naming what keeps the broker from being used
    """
    host, port = place(gateway)
    tls = context(workspace)
    await asyncio.to_thread(knock, host, port, tls)
    client = aiomqtt.Client(
        host, port, protocol=aiomqtt.ProtocolVersion.V5, tls_context=tls, timeout=10.0, logger=_PACKETS, keepalive=30
    )
    try:
        await client.__aenter__()
    except aiomqtt.MqttError as error:
        raise Failure("gateway_unreachable", host=host, port=port, problem=error) from None
    made = Gateway(host, port, client, tls)
    running = asyncio.create_task(made.run())
    try:
        granted = await client.subscribe(f"{topics.ROOT}/+/#", qos=1)
        if any(getattr(code, "value", code) >= 0x80 for code in granted):
            raise Failure("technician_unknown", host=host)
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        with suppress(aiomqtt.MqttError):  # a connection that is lost already
            await client.__aexit__(None, None, None)


class RemoteNode:
    """One node through the gateway: see `provisioning.link.line.Line`."""

    remote = True

    def __init__(self, gateway: Gateway, node: str) -> None:
        self.gateway, self.node = gateway, node
        # Another technician's command of the same number must not be taken for ours.
        self._run, self._numbers = os.urandom(4).hex(), itertools.count(1)

    async def ask(self, do: str, patience: float = ANSWER, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Send a command and return the reply with its id."""
        identity = f"{self._run}-{next(self._numbers)}"
        deadline = time.monotonic() + patience
        async with self.gateway.listening() as ear:
            await self.gateway.publish(self.node, topics.COMMAND, {"id": identity, "do": do, **fields})
            while (heard := await heard_next(ear, deadline - time.monotonic())) is not None:
                if heard.node != self.node or heard.channel != topics.REPLY:
                    continue
                reply = heard.json()
                if reply.get("id") == identity:
                    return checked(self.node, do, reply)
        raise Failure("no_answer", node=self.node, command=do, seconds=int(patience))

    async def _stay(self, patience: float) -> dict[str, Any]:
        """Ask it to stay; one in safe mode, or with an older program, does not know the word and stays as it is."""
        try:
            return await self.ask("stay", patience, seconds=STAY)
        except Failure as failure:
            if failure.key != "node_old":
                raise
            return {"until": None, "seconds": 0}

    async def reach(self, wait: float, waiting: Callable[[], None], *, first: float = 4.0) -> dict[str, Any]:
        """Keep the node awake for `STAY` seconds; one that sleeps is waited for.

        Parameters
        ----------
        wait : seconds
        waiting : called once where the node does not answer at once
        first : seconds that a node which is awake has to answer

        Raises
        ------
        Failure
            if it did not come on the air in time
        """
        deadline = time.monotonic() + wait
        async with self.gateway.listening() as ear:
            with suppress_silence():
                return await self._stay(first)
            waiting()
            while (heard := await heard_next(ear, deadline - time.monotonic())) is not None:
                # What it says, not what it is told; and not what the broker kept from before, nor its last will.
                if heard.node != self.node or heard.retained or heard.channel not in {topics.DATA, topics.BACKLOG, topics.STATUS}:
                    continue
                if heard.channel == topics.STATUS and heard.json().get("state") != "online":
                    continue
                with suppress_silence():
                    return await self._stay(first)
        raise Failure("node_silent", node=self.node, minutes=max(1, round(wait / 60)))


class suppress_silence:  # noqa: N801 (reads as a statement, like `contextlib.suppress`)
    """Go on where a node did not answer; every other failure goes up."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, Failure) and error.key == "no_answer"
