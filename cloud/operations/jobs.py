"""Who calls the background jobs: APScheduler beside an embedded database, procrastinate on PostgreSQL.

Both keep their plan in the database: after a restart a job whose turn was missed runs at once, and once. On PostgreSQL any number of workers
share the jobs: a turn is taken by one of them.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Final

import psycopg
import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status
from sqlalchemy import Engine

from cloud.database import conninfo
from cloud.operations.work import JOBS, Job, Work, perform

SCHEMA: Final = "jobs"  # procrastinate's tables have a schema of their own
_RESCUE: Final = 7_286_005  # any number that nobody else uses
# A job that is kept in the database is kept by name; this process' own work is found by its database.
_WORK: dict[str, Work] = {}


def run_kept(name: str, database: str) -> None:
    """Run a job that APScheduler kept."""
    work, job = _WORK.get(database), JOBS.get(name)
    if work is not None and job is not None:  # a job of a newer version than this one is left alone
        perform(job, work)


@contextmanager
def embedded(work: Work) -> Iterator[BackgroundScheduler]:
    """Run the jobs in this process while the context lasts; for SQLite."""
    database = str(work.engine.url)
    _WORK[database] = work
    store = SQLAlchemyJobStore(engine=work.engine, tablename="scheduled_jobs")
    scheduler = BackgroundScheduler(
        jobstores={"default": store}, executors={"default": ThreadPoolExecutor(2)}, timezone=UTC, job_defaults=_DEFAULTS
    )
    scheduler.start(paused=True)
    known = {job.id: job for job in scheduler.get_jobs()}
    for job in JOBS.values():
        if job.name not in known:  # one that is there keeps its next turn, missed or to come
            scheduler.add_job(run_kept, "interval", (job.name, database), id=job.name, seconds=job.every)
        else:
            scheduler.modify_job(job.name, args=(job.name, database))
    for name in known.keys() - JOBS.keys():
        scheduler.remove_job(name)
    scheduler.resume()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=True)
        _WORK.pop(database, None)


_DEFAULTS: Final = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}


def _cron(job: Job) -> str:
    """Return a job's turns as procrastinate's six-part cron (seconds last)."""
    if job.every < 60:
        return f"* * * * * */{job.every}"
    if job.every < 3600:
        return f"*/{job.every // 60} * * * *"
    return f"7 */{job.every // 3600} * * *"


def queue(work: Work) -> App:
    """Return procrastinate's application with every job as a periodic task."""
    connector = PsycopgConnector(conninfo=conninfo(work.engine), kwargs={"options": f"-c search_path={SCHEMA}"}, max_size=5)
    app = App(connector=connector, worker_defaults={"install_signal_handlers": False})
    for job in JOBS.values():
        # The lock keeps two workers from one job; the queueing lock keeps turns from piling up while nobody works.
        task = app.task(name=job.name, lock=job.name, queueing_lock=job.name, pass_context=False)(_task(job, work))
        app.periodic(cron=_cron(job), periodic_id=job.name)(task)

    return app


def _task(job: Job, work: Work) -> Callable[[int], Awaitable[None]]:
    async def task(timestamp: int) -> None:  # noqa: ARG001 - whose turn it is does not matter
        await asyncio.to_thread(perform, job, work)

    return task


async def _rescue(app: App, engine: Engine, log: structlog.stdlib.BoundLogger) -> None:
    """Give the jobs of workers that were killed back to the queue; where the next turn waits there already, it takes the dead one's place."""
    async with await psycopg.AsyncConnection.connect(conninfo(engine)) as connection:
        # One at a time: of two that saw the same job, the second would take it from whom the first gave it to.
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_RESCUE,))
        for stalled in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=60):
            log.warning("job of a dead worker taken again", job=stalled.task_name)
            try:
                await app.job_manager.retry_job(stalled)
            except UniqueViolation:
                # Without an end it would hold the job's lock for ever, and no turn would be taken again.
                await app.job_manager.finish_job(stalled, Status.FAILED, delete_job=True)


async def work_off(work: Work, *, stop: asyncio.Event | None = None) -> None:
    """Work jobs off until `stop` or a signal; for PostgreSQL. Tables of the queue are made where they are missing."""
    log = structlog.get_logger("cloud.jobs")
    prepare(work.engine)
    app = queue(work)
    stop = stop or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with app.open_async():
        await _rescue(app, work.engine, log)
        worker = asyncio.create_task(app.run_worker_async(concurrency=2, delete_jobs="successful", shutdown_graceful_timeout=30))
        ended = asyncio.create_task(stop.wait())
        while not worker.done() and not ended.done():
            await asyncio.wait({worker, ended}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            if not worker.done() and not ended.done():
                await _rescue(app, work.engine, log)
        ended.cancel()
        if not worker.done():
            worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


def prepare(engine: Engine) -> None:
    """Make the queue's tables where they are missing."""
    with psycopg.connect(conninfo(engine), options=f"-c search_path={SCHEMA}") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7286004)")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        if connection.execute(f"SELECT to_regclass('{SCHEMA}.procrastinate_jobs')").fetchone() == (None,):
            connection.execute(queue_schema())


def queue_schema() -> str:
    """Return procrastinate's SQL."""
    from procrastinate.schema import SchemaManager  # noqa: PLC0415 - only where the tables are missing

    return SchemaManager.get_schema()
