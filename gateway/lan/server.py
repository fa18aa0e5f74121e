"""``vuong gateway lan``: API, page and announcement, in a process of its own.

Beside the ingest, not in it: a phone that asks for a month must not hold up an acknowledgement to a node, and a fault in the web part must not end
the alarms. The two meet in the database: WAL lets this process read while the ingest writes, and what people say is a row in ``entries``,
durable before the farmer sees it confirmed, whether the ingest runs just then or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.config import Config
from gateway.lan import alarm_pages, answering, api, doors, events, pages, workshop
from gateway.lan.desk import Desk
from gateway.lan.discovery import announce
from gateway.lan.events import Hub
from gateway.lan.home_assistant import HomeAssistantLink
from gateway.lan.page import STATIC
from gateway.lan.security import SecurityHeaders
from vuong import fonts
from vuong.clock import Clock
from vuong.contract.api import EVENTS

_LOG = logging.getLogger(__name__)
_MOST_CONNECTIONS: Final = 128


class LanError(Exception):
    """The server cannot start; the message says what to do."""


def _fault(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)  # noqa: S101
    return api.JSON({"detail": error.detail}, error.status_code, dict(error.headers or {}))


async def _healthz(request: Request) -> Response:
    desk = api.desk_of(request)
    await desk.ask(desk.records.open_count)
    return api.JSON({"status": "ok"})


def create_app(desk: Desk) -> Starlette:
    """Return the application on an open database."""
    hub = Hub(desk)

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        del app
        looking = asyncio.create_task(hub.run())
        yield
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking

    routes = [
        *pages.routes(),
        *alarm_pages.routes(),
        *workshop.routes(),
        *doors.routes(),
        *api.routes(),
        *answering.routes(),
        Route(EVENTS, events.events),
        Route("/healthz", _healthz),
        Mount("/static/fonts", StaticFiles(directory=fonts.FOLDER)),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    faults: Any = {HTTPException: _fault}
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)], exception_handlers=faults, lifespan=life)
    app.state.desk, app.state.hub = desk, hub
    return app


class _Server(uvicorn.Server):
    """Ends the event streams first: they would hold an orderly end up."""

    hub: Hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all connections."""
        self.hub.close()
        await super().shutdown(sockets)


async def run(config: Config, clock: Clock, *, announced: bool = True) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    config : the gateway's configuration
    clock : time of readings and entries
    announced : tell the network by mDNS

    Raises
    ------
    LanError, gateway.store.schema.StoreError
        if it cannot start
    """
    lan = config.lan
    try:
        listener = socket.create_server((lan.host, lan.port), backlog=_MOST_CONNECTIONS)
    except OSError as error:
        raise LanError(f"cannot listen on {lan.host}:{lan.port} ({error.strerror}); set lan.host and lan.port") from None
    config.database.parent.mkdir(parents=True, exist_ok=True)
    desk = Desk(config, clock)
    app = create_app(desk)
    try:
        options = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=3,
            ssl_certfile=lan.cert_file,
            ssl_keyfile=lan.key_file,
        )
        options.load()
    except (OSError, ValueError) as error:
        raise LanError(f"lan.cert_file or lan.key_file cannot be used: {error}") from None
    server = _Server(options)
    server.hub = app.state.hub
    beside = [asyncio.create_task(announce(config, lan.port))] if announced else []
    if config.home_assistant.enabled:
        beside.append(asyncio.create_task(HomeAssistantLink(config, desk).run()))
    _LOG.info("serving on %s:%d", lan.host, lan.port)
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        desk.close()
