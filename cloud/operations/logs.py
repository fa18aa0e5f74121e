"""Structured logs: a JSON object a line on standard error, every line of a request with that request's id."""

from __future__ import annotations

import logging
import re
import sys
import time
import uuid
from typing import Final, TextIO

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.operations.metrics import Metrics
from cloud.operations.tracing import tell_span

HEADER: Final = "X-Request-ID"
_GIVEN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})


def configure(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Write all logs, our own and the libraries', as JSON lines."""
    shared = (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "apscheduler", "procrastinate", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Observed:
    """Middleware: gives a request its id (or keeps a proxy's), counts it, times it, and logs a line about it.

    The line has the path without its query: a query may say what a log shall not keep.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics, self._log = app, metrics, structlog.get_logger("cloud.request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _GIVEN.fullmatch(given) else uuid.uuid4().hex
        status, began = 500, time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        trace_id = tell_span(scope, request_id)
        told = {"request_id": request_id} | ({"trace_id": trace_id} if trace_id else {})
        with structlog.contextvars.bound_contextvars(**told):
            try:
                await self._app(scope, receive, observed)
            except Exception:
                self._log.exception("request failed", method=scope["method"], path=scope["path"])
                raise
            finally:
                spent = time.perf_counter() - began
                route = getattr(scope.get("route"), "path", None) or "other"
                self._metrics.request(scope["method"], route, status, spent)
                if scope["path"] not in _QUIET:
                    who = scope.get("state", {}).get("who")  # by number, never by name
                    self._log.info(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        milliseconds=round(spent * 1000, 1),
                        **({"who": who} if who else {}),
                    )
