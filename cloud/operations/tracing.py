"""OpenTelemetry, where its packages (extra ``tracing``) are installed and ``OTEL_EXPORTER_OTLP_ENDPOINT`` says where traces go."""

from __future__ import annotations

import os
from typing import Final

from fastapi import FastAPI

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


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
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls="healthz,readyz,metrics")
    return True
