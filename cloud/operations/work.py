"""The background jobs: what each does, and that its outcome is kept. Who calls them, and when, is `jobs`."""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine, delete
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.tables import SignIn
from cloud.operations.tables import JobRun
from cloud.telemetry.mirror import MirrorError, Sink, forward
from cloud.telemetry.partitions import ensure, month_after, month_of
from cloud.telemetry.retention import let_go
from cloud.telemetry.rollups import SETTLED, roll_up
from cloud.telemetry.store import upsert
from vuong.clock import Clock, SystemClock

KEEP_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Work:
    """What jobs work with.

    Attributes
    ----------
    engine : the store
    clock : the time of readings
    keep_days : how long single samples stay
    sink : the mirror, ``None`` where there is none
    """

    engine: Engine
    clock: Clock
    keep_days: int = KEEP_DAYS
    sink: Sink | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job: `every` so many seconds; `run` returns what it did, in a few words."""

    name: str
    every: int
    run: Callable[[Work], str]


def _roll_up(work: Work) -> str:
    return f"{roll_up(work.engine, work.clock.now() - SETTLED)} hours rolled up"


def _retention(work: Work) -> str:
    return f"single samples are kept from {let_go(work.engine, work.clock.now(), work.keep_days)} on"


def _partitions(work: Work) -> str:
    month = month_of(int(work.clock.now()))
    with work.engine.connect().execution_options(writes=True) as connection, connection.begin():
        return f"made {len(ensure(connection, (month, month_after(month))))} partitions"


def _mirror(work: Work) -> str:
    return "no mirror" if work.sink is None else f"{forward(work.engine, work.sink)} parcels sent"


def _sign_ins(work: Work) -> str:
    now = int(SystemClock().now())
    with work.engine.connect().execution_options(writes=True) as connection, connection.begin():
        return f"{connection.execute(delete(SignIn).where(SignIn.expires < now)).rowcount} sign-ins were over"


JOBS: Final = {
    job.name: job
    for job in (
        Job("roll_up", 60, _roll_up),
        Job("mirror", 5, _mirror),
        Job("partitions", 43_200, _partitions),
        Job("retention", 43_200, _retention),
        Job("sign_ins", 3600, _sign_ins),
    )
}


def perform(job: Job, work: Work) -> bool:
    """Run a job and keep how it went; a job that fails is tried again at its next turn. Return whether it went well."""
    log = structlog.get_logger("cloud.jobs").bind(job=job.name)
    started = int(wall.time())
    try:
        told, well = job.run(work), True
    except (MirrorError, SQLAlchemyError, OSError, ValueError) as error:
        told, well = f"{type(error).__name__}: {error}"[:500], False
        log.warning("job failed", error=told)
    finished = int(wall.time())
    row = {"name": job.name, "started": started, "finished": finished, "told": told}
    if well:
        row["well"] = finished
    try:
        with work.engine.connect().execution_options(writes=True) as connection, connection.begin():
            statement = upsert(connection, JobRun.__table__).values(row)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
    except SQLAlchemyError as error:  # the store is away: the log has it
        log.warning("outcome not kept", error=type(error).__name__)
    return well
