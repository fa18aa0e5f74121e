"""The node's link: it keeps one MQTT connection up, with back-off and jitter between tries, until it is stopped or paused."""

import asyncio
import random

from firmware.errors import LINK_ERRORS, MqttError

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.boundaries import Dial, OnMessage, Will
    from firmware.mqtt import Connection


def broker(host: str, port: int, client_id: str, **options: "Any") -> "Dial":  # noqa: ANN401 (handed on to `Connection.open`)
    """Return the `dial` of a `Link` that opens MQTT connections to one broker; `options` are those of `Connection.open`."""

    async def dial(on_message: "OnMessage", will: "Will | None") -> "Connection":
        from firmware.mqtt import Connection  # noqa: PLC0415 (what is not used is not loaded)

        return await Connection.open(host, port, client_id, on_message, will=will, **options)

    return dial


def _ignore(_topic: str, _payload: bytes) -> None:
    """Take a message that nobody waits for."""


def _nothing() -> None:
    """Do nothing at a new connection."""


class Link:
    """One MQTT connection at a time, opened again for as long as `run` runs.

    Parameters
    ----------
    dial : ``async dial(on_message, will)`` returning a `Connection` or raising one of `LINK_ERRORS`; on the board it brings up Wi-Fi first
    shortest, longest : bounds of the wait between tries, real seconds; it doubles with every failure and is spread by ±50 %

    Attributes
    ----------
    failures : tries in a row that came to nothing; a connection counts as good once the broker has acknowledged a publish
    opened : connections opened so far
    """

    def __init__(self, dial: "Dial", *, shortest: float = 1.0, longest: float = 300.0) -> None:
        self._dial, self._shortest, self._longest = dial, shortest, longest
        self._connection: "Connection | None" = None
        self._change = asyncio.Event()
        self._paused = self._stopping = False
        self._on_message: "OnMessage" = _ignore
        self._will: "Will | None" = None
        self._topics: "list[str]" = []
        self._on_up: "Callable[[], None]" = _nothing
        self.failures = 0
        self.opened = 0
        self.error: "Exception | None" = None

    def attach(self, on_message: "OnMessage", will: "Will | None", topics: "list[str]", on_up: "Callable[[], None]") -> None:
        """Say what to do with messages, the last will, what to subscribe to, and what to call at each new connection."""
        self._on_message, self._will, self._topics, self._on_up = on_message, will, topics, on_up

    @property
    def is_up(self) -> bool:
        """Whether there is a connection."""
        return self._connection is not None and not self._connection.closed.is_set()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 over the present connection; one of `LINK_ERRORS` where that fails."""
        if self._connection is None:
            raise MqttError("not connected")
        await self._connection.publish(topic, payload, retain=retain)

    async def pause(self, *, say: bool = False) -> None:
        """End the connection and open none until `resume`; unless `say`, without a word, so that the broker sends the last will."""
        self._paused = True
        if self._connection is not None:
            await (self._connection.close() if say else self._connection.end(MqttError("paused")))
        self._change.set()

    def resume(self) -> None:
        """Open connections again, the first at once."""
        self._paused = False
        self.failures = 0
        self._change.set()

    async def stop(self) -> None:
        """End `run` and say good-bye to the broker."""
        self._stopping = True
        self._change.set()
        if self._connection is not None:
            await self._connection.close()

    async def run(self) -> None:
        """Keep a connection up until stopped or cancelled."""
        try:
            while not self._stopping:
                if self._paused:
                    await self._wait(3600)
                    continue
                await self._once()
                if not self._paused:
                    await self._wait(self._back_off())
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close()

    async def _once(self) -> None:
        try:
            connection = await self._dial(self._on_message, self._will)
        except LINK_ERRORS as error:
            self.error = error
            self.failures += 1
            return
        self._connection = connection
        if self._stopping:
            return
        if self._paused:  # while the connection was being opened
            self._connection = None
            await connection.close()
            return
        self.opened += 1
        try:
            await connection.subscribe(self._topics)
            self._on_up()
            await connection.closed.wait()
        except LINK_ERRORS:
            pass
        self.error = connection.error
        self._connection = None
        self.failures = 0 if connection.acknowledged else self.failures + 1

    def _back_off(self) -> float:
        longest: float = min(self._longest, self._shortest * 2.0 ** min(self.failures, 20))
        return longest * (0.5 + random.random())  # noqa: S311 (spreads tries, keeps no secret)

    async def _wait(self, seconds: float) -> None:
        if not self._stopping:
            try:
                await asyncio.wait_for(self._change.wait(), seconds)
            except asyncio.TimeoutError:
                pass
            self._change.clear()
