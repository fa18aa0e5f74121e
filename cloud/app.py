"""The application: all capabilities in one process."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final
from urllib.parse import quote

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as BusyError
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import Scope as AsgiScope

from cloud.accounts import account_pages, factor_pages, oidc_pages, step_pages
from cloud.accounts import api as accounts_api
from cloud.accounts import pages as accounts_pages
from cloud.alerts import api as alerts_api
from cloud.alerts import pages as alerts_pages
from cloud.context import Context, NotSignedInError
from cloud.entries import api as entries_api
from cloud.farms import api as farms_api
from cloud.farms import devices_api
from cloud.farms import pages as farm_pages
from cloud.farms import records_api as farm_records_api
from cloud.operations import health
from cloud.operations.logs import Observed
from cloud.operations.metrics import Metrics
from cloud.operations.tracing import trace
from cloud.security import JsonOnly, SecurityHeaders
from cloud.telemetry import api as telemetry_api
from cloud.telemetry import records_api
from cloud.web import device_pages
from cloud.web import pages as web_pages
from cloud.web.layout import STATIC
from vuong import fonts


class _KeptFiles(StaticFiles):
    """Static files whose address changes with their content."""

    async def get_response(self, path: str, scope: AsgiScope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope.get("query_string", b""):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _to_sign_in(request: Request, error: Exception) -> Response:
    del error
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/sign-in?next={quote(target)}", 303)


def _unusable(request: Request, error: Exception) -> Response:
    del request, error
    # PostgreSQL holds no NUL in a text, nor a number beyond its column; what gets as far as that names nothing that is there.
    return JSONResponse(
        {"detail": "a text or number in the request cannot be stored; leave out NUL signs and send smaller numbers"}, 422
    )


# What can be served apart: a capability's routes by its name.
CAPABILITIES: Final = {
    "accounts": (accounts_api, accounts_pages, account_pages, factor_pages, oidc_pages, step_pages),
    "farms": (farms_api, farm_records_api, devices_api, farm_pages),
    "telemetry": (telemetry_api, records_api),
    "alerts": (alerts_api, alerts_pages),
    "entries": (entries_api,),
    "web": (web_pages, device_pages),
}


def create_app(context: Context, only: Collection[str] | None = None) -> FastAPI:
    """Return the application on a migrated store.

    Parameters
    ----------
    context : what it has
    only : the capabilities to serve, ``None`` for all
    """
    app = FastAPI(title="Vuông", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    app.state.context = context
    app.state.metrics = Metrics(context.engine)
    if context.hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(context.hosts), www_redirect=False)
    app.add_middleware(JsonOnly)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observed, metrics=app.state.metrics)
    app.add_exception_handler(NotSignedInError, _to_sign_in)
    # Samples are written by the drivers themselves, so their own errors come here too.
    for error in (OperationalError, InterfaceError, BusyError, sqlite3.OperationalError, psycopg.OperationalError):
        app.add_exception_handler(error, health.unavailable)
    app.add_exception_handler(DataError, _unusable)
    app.include_router(health.router)
    for name, routers in CAPABILITIES.items():
        if only is None or name in only:
            for part in routers:
                app.include_router(part.router)
    app.mount("/static/vendor/fonts", _KeptFiles(directory=fonts.FOLDER), name="fonts")
    app.mount("/static", _KeptFiles(directory=STATIC), name="static")
    trace(app)
    return app
