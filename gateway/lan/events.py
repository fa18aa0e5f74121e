"""Server-sent events: what is new goes to every open page as soon as it is committed."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.lan.api import desk_of, live_mark
from gateway.lan.desk import Desk
from gateway.store.schema import StoreError
from vuong.contract.api import LastValue, Live

_LOG = logging.getLogger(__name__)

LOOK: Final = 0.5  # seconds between looks whether somebody committed; a look reads one number
BEAT: Final = 15.0  # a line at least so often, so that a dead connection is found
MOST_LISTENERS: Final = 64
_WAITING: Final = 32  # events that a slow listener may be behind


def _event(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


class Hub:
    """Looks for commits of the ingest and tells the listeners.

    Parameters
    ----------
    desk : the gateway's database
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False

    async def run(self) -> None:
        """Look for ever."""
        seen: object = None
        while True:
            try:
                version = await self._desk.ask(self._desk.records.changed)
                if version != seen:
                    new, live = await self._desk.ask(self._news)
                    if new:
                        self._tell(_event("readings", new))
                    self._tell(_event("live", live))
                seen = version
            except (sqlite3.Error, StoreError, OSError) as error:  # the ingest may be putting a damaged file aside: look again
                _LOG.warning("the database cannot be read now: %s", error)
            await asyncio.sleep(LOOK)

    def _news(self) -> tuple[list[LastValue], Live]:
        return self._desk.records.refresh(), live_mark(self._desk)

    def _tell(self, event: bytes) -> None:
        for queue in list(self._listeners):
            if queue.qsize() >= _WAITING:  # it reads too slowly: it is cut off and asks anew
                self._listeners.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
                continue
            queue.put_nowait(event)

    def close(self) -> None:
        """End all streams; one that opens after this ends at once."""
        self._closed = True
        for queue in self._listeners:
            queue.put_nowait(None)
        self._listeners.clear()

    async def stream(self, still: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """Yield the state as it is, then what is new, as long as the listener is `still` one who may listen."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield b"retry: 3000\n\n" + _event("live", await self._desk.ask(live_mark, self._desk))
            looked = asyncio.get_running_loop().time()
            while not self._closed:
                try:
                    event = await asyncio.wait_for(queue.get(), BEAT)
                except TimeoutError:
                    event = b": still here\n\n"
                if asyncio.get_running_loop().time() - looked >= BEAT:
                    looked = asyncio.get_running_loop().time()
                    if not await still():
                        return
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(queue)

    @property
    def full(self) -> bool:
        """Whether no more listeners are taken."""
        return len(self._listeners) >= MOST_LISTENERS


async def events(request: Request) -> Response:
    """Stream ``live`` (a `Live`) and ``readings`` (new `LastValue` rows)."""
    desk = desk_of(request)
    await desk.require(request)
    hub: Any = request.app.state.hub
    if hub.full:
        raise HTTPException(503, "too many pages are open; close one", {"Retry-After": "30"})

    async def still() -> bool:
        return (await desk.device(request))[0] is not None

    return StreamingResponse(hub.stream(still), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
