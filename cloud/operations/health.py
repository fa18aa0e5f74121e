"""Whether this process lives, and whether it should be given work."""

from __future__ import annotations

import hmac
import os
import shutil
from functools import lru_cache
from typing import Final

import structlog
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from cloud.context import Cloud, bearer
from cloud.database import alembic_config, sqlite_path

router = APIRouter(include_in_schema=False)
METRICS_TOKEN: Final = "VUONG_METRICS_TOKEN"  # noqa: S105 - the variable's name
LEAST_FREE: Final = 200 * 2**20


@lru_cache(maxsize=1)
def head() -> str:
    """Return the newest migration of this version."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def faults(engine: Engine) -> list[str]:
    """Return why this process cannot do its work; empty where it can."""
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            revision = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return [f"the database does not answer: {type(getattr(error, 'orig', None) or error).__name__}"]
    found = []
    if revision != head():
        found.append(f"the tables are at {revision}, this version needs {head()}; run vuong cloud migrate")
    file = sqlite_path(engine)
    if file is not None and shutil.disk_usage(file.resolve().parent).free < LEAST_FREE:
        found.append(f"less than {LEAST_FREE >> 20} MiB are free beside {file.name}")
    return found


def unavailable(request: Request, error: Exception) -> Response:
    """Answer 503 where the database is away, full or too busy: nothing was stored, and a gateway sends it again."""
    del request
    cause = getattr(error, "orig", None) or error
    structlog.get_logger("cloud.store").error("the store failed", error=f"{type(cause).__name__}: {cause}"[:300])
    return JSONResponse({"detail": "the store cannot take this now; send it again"}, 503, {"Retry-After": "5"})


@router.get("/healthz")
def healthz(cloud: Cloud) -> Response:
    """Answer 200 while the database answers."""
    try:
        with cloud.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return JSONResponse({"status": "the database does not answer"}, 503)
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def readyz(cloud: Cloud) -> Response:
    """Answer 200 while a balancer should send requests here."""
    found = faults(cloud.engine)
    return JSONResponse({"status": "; ".join(found) or "ok"}, 503 if found else 200)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Show Prometheus' metrics to this machine itself, or to who has the token of ``VUONG_METRICS_TOKEN``."""
    wanted, given = os.environ.get(METRICS_TOKEN), bearer(request) or ""
    local = request.client is not None and request.client.host in {"127.0.0.1", "::1"}
    if hmac.compare_digest(wanted.encode(), given.encode()) if wanted else local:
        return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
    return JSONResponse({"detail": f"send the token of {METRICS_TOKEN}"}, 401)
