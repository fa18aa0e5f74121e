"""Who is let in, and for how long: so many requests at once, and clients that neither speak nor listen are let go.

A gateway that is turned away gets 503 with ``Retry-After`` and comes again later, so that a storm of them fills no memory.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cloud.operations.metrics import Metrics
from vuong.contract.api import EVENTS

AT_ONCE: Final = 1000  # requests; and as many event streams, which stay open
_ALWAYS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
# Those who are turned away come again spread over this time, in seconds.
_EARLIEST, _LATEST = 2, 20


class Reception:
    """Middleware around everything: answers 503 at once to requests beyond `at_once`, health checks excepted."""

    def __init__(self, app: ASGIApp, metrics: Metrics, at_once: int = AT_ONCE) -> None:
        self._app, self._metrics, self._at_once = app, metrics, at_once
        self._under_way = {False: 0, True: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or turn it away."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        stream = scope["path"] == EVENTS
        if self._under_way[stream] >= self._at_once:
            self._metrics.request(scope["method"], "turned away", 503, 0.0)
            wait = str(random.randint(_EARLIEST, _LATEST)).encode()  # noqa: S311 - spreads them, no secret
            body = b'{"detail":"too many requests at once; come again after Retry-After seconds"}'
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            headers += [(b"retry-after", wait), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        self._under_way[stream] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[stream] -= 1


class PatientProtocol(H11Protocol):
    """HTTP/1.1 of a server that waits only so long, in seconds: for a request's head, for all of its body, for a reader of the reply.

    uvicorn's own waits for ever where a byte has come. A reader of less than about a kilobyte a second is let go.
    """

    HEAD, BODY, READER = 30.0, 300.0, 60.0

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **options)
        self._part: object = None
        self._request: asyncio.TimerHandle | None = None
        self._reply: asyncio.TimerHandle | None = None

    def _watch(self) -> None:
        """Give the part of the request that is coming its time; a part that goes on keeps the time that it was given."""
        part = self.conn.their_state
        if part is self._part:
            return
        self._part = part
        if self._request is not None:
            self._request.cancel()
        seconds = {h11.IDLE: self.HEAD, h11.SEND_BODY: self.BODY}.get(part)
        self._request = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next head, after uvicorn's own short wait for its first byte."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        for timer in (self._request, self._reply):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a reader."""
        super().pause_writing()
        self._reply = self.loop.call_later(self.READER, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the reader has read."""
        if self._reply is not None:
            self._reply.cancel()
        super().resume_writing()
