"""OpenTelemetry, where its packages (extra ``tracing``) are installed and ``OTEL_EXPORTER_OTLP_ENDPOINT`` says where traces go."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.trace import Span

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_LAST_SECONDS: Final = 5  # that a server which ends waits for its collector
_SPAN: Final = "vuong.span"


def tell_span(scope: Scope, request_id: str) -> str | None:
    """Write a request's id into its span; return the trace's id, ``None`` where there is no trace."""
    span: Span | None = scope.get(_SPAN)
    if span is None:
        return None
    span.set_attribute("vuong.request_id", request_id)
    return f"{span.get_span_context().trace_id:032x}"


def _begin(span: Span, scope: Scope) -> None:
    scope[_SPAN] = span
    # A query may say what nothing shall keep, as in logs.
    for name, value in (getattr(span, "attributes", None) or {}).items():
        if name == "url.query":
            span.set_attribute(name, "")
        elif isinstance(value, str) and "?" in value:
            span.set_attribute(name, value.partition("?")[0])


def trace(app: FastAPI) -> bool:
    """Send a trace of every request; return whether traces are sent.

    Raises
    ------
    ValueError
        if an endpoint is set and the packages are not there
    """
    if not os.environ.get(ENDPOINT):
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(f"{ENDPOINT} is set and {error.name} is not installed; pip install 'vuong[cloud,tracing]'") from None
    provider = TracerProvider(resource=Resource.create({"service.name": "vuong-cloud"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls="healthz,readyz,metrics",
        exclude_spans=["receive", "send"],  # a span a request, not one a piece of its body
        server_request_hook=_begin,
    )
    serve = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(served: FastAPI) -> AsyncIterator[Any]:
        async with serve(served) as state:
            yield state
        # A server that is told to end ends by that signal: what waits to be sent would go with it.
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        await asyncio.to_thread(last.join, _LAST_SECONDS)

    app.router.lifespan_context = lifespan
    return True
