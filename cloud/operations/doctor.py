"""``vuong cloud doctor``: what is wrong with a cloud, and what to do."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from cloud.database import sqlite_path
from cloud.farms.shapes import extension, shaped
from cloud.operations.health import head
from cloud.operations.tables import JobRun
from cloud.operations.work import JOBS
from cloud.telemetry.mirror import waiting
from cloud.telemetry.partitions import existing, month_after, month_of, name_of, partitioned
from cloud.telemetry.rollups import SETTLED, stale_before
from cloud.telemetry.tables import Latest, Quarantined

_DAY: Final = 86_400
_GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `level` is ``ok``, ``warning`` or ``fault``; `remedy` says what to do."""

    check: str
    level: str
    told: str
    remedy: str = ""


def _migrations(connection: Connection, now: float) -> Iterator[Finding]:
    del now
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision != head():
        yield Finding("tables", "fault", f"at {revision}, this version needs {head()}", "run: vuong cloud migrate")
    else:
        yield Finding("tables", "ok", f"at {revision}")


def _whole(connection: Connection, now: float) -> Iterator[Finding]:
    del now
    if connection.dialect.name == "sqlite":
        told = connection.scalar(text("PRAGMA quick_check(1)"))
        if told != "ok":
            yield Finding("integrity", "fault", str(told), "stop the cloud, restore the last back-up: vuong cloud restore FILE")
        else:
            yield Finding("integrity", "ok", "SQLite's quick check found nothing")
        return
    for name, wanted in (("fsync", "on"), ("full_page_writes", "on")):
        value = connection.scalar(text(f"SHOW {name}"))
        if value != wanted:
            yield Finding(
                "integrity", "fault", f"{name} is {value}", f"set {name} = {wanted}: a power cut would damage the record"
            )
    if connection.scalar(text("SHOW synchronous_commit")) == "off":
        yield Finding("integrity", "fault", "synchronous_commit is off", "set it on: an acknowledged batch could be lost")
    skew = abs(float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0) - _wall())
    if skew > 5:
        yield Finding("clock", "warning", f"the database's clock is {skew:.0f} s off this machine's", "set both by NTP")


def _wall() -> float:
    import time  # noqa: PLC0415 - the one place that compares the machine's own clock

    return time.time()


def _partitions(connection: Connection, now: float) -> Iterator[Finding]:
    if not partitioned(connection):
        return
    wanted = name_of(month_after(month_of(int(now))))
    there = existing(connection)
    if wanted not in there:
        yield Finding("partitions", "warning", f"{wanted} is not there yet", "let the jobs run: vuong cloud work")
    else:
        yield Finding("partitions", "ok", f"{len(there)}, next month's among them")


def _extensions(connection: Connection, now: float) -> Iterator[Finding]:
    del now
    if connection.dialect.name != "postgresql":
        return
    version = extension(connection, "postgis")
    if version is None:
        told = "not in this database: places are found by boxes and in this process, with the same answers"
        yield Finding("postgis", "ok", told, "to use it: CREATE EXTENSION postgis, then vuong cloud migrate")
    elif not shaped(connection):
        yield Finding("postgis", "warning", f"{version}, but the shapes are not there", "run: vuong cloud migrate")
    else:
        yield Finding("postgis", "ok", f"{version}, finds what lies where")
    for name in ("timescaledb", "citus"):
        found = extension(connection, name)
        yield Finding(name, "ok", "not in this database; not needed" if found is None else found)


def _jobs(connection: Connection, now: float) -> Iterator[Finding]:
    del now
    runs = {row.name: row for row in connection.execute(select(JobRun.__table__))}
    for job in JOBS.values():
        run = runs.get(job.name)
        if run is None:
            yield Finding(
                f"job {job.name}", "warning", "never ran", "SQLite: vuong cloud serve runs it; PostgreSQL: vuong cloud work"
            )
        elif run.well != run.finished:
            yield Finding(f"job {job.name}", "fault", run.told, "mend what it names; it is tried again at its next turn")
        elif _wall() - run.finished > 3 * job.every + 60:
            age = int(_wall() - run.finished)
            yield Finding(
                f"job {job.name}",
                "warning",
                f"last ran {age} s ago, every {job.every} s is wanted",
                "see whether its worker runs",
            )
        else:
            yield Finding(f"job {job.name}", "ok", run.told)


def _backlogs(connection: Connection, now: float) -> Iterator[Finding]:
    stale = stale_before(connection, now - SETTLED - 1800)
    told = f"{stale} hours wait to be rolled up"
    yield Finding(
        "rollups",
        "warning" if stale > 100_000 else "ok",
        told,
        "they are read right meanwhile, slower" if stale > 100_000 else "",
    )
    parcels, oldest = waiting(connection)
    late = parcels and oldest is not None and now - oldest > 3600
    remedy = "see whether the mirror answers; nothing is lost meanwhile" if late else ""
    yield Finding("mirror", "warning" if late else "ok", f"{parcels} parcels wait", remedy)
    table = Quarantined.__table__
    bad = connection.execute(
        select(table.c.gateway_id, func.count(), func.max(table.c.reason))
        .where(table.c.received > int(now) - _DAY)
        .group_by(table.c.gateway_id)
    )
    for gateway, count, reason in bad:
        yield Finding(
            "quarantine",
            "warning",
            f"{count} records of {gateway} within a day, such as: {reason}",
            "mend the gateway's configuration",
        )
    newest = max(
        connection.scalar(select(func.max(column))) or 0 for column in Latest.__table__.c if column.name.endswith("_time")
    )
    if newest and now - newest > 3600:
        yield Finding(
            "readings", "warning", f"the newest is {int(now - newest)} s old", "see whether gateways reach this address"
        )


def _disk(engine: Engine) -> Iterator[Finding]:
    file = sqlite_path(engine)
    if file is None:
        return
    free = shutil.disk_usage(file.resolve().parent).free
    level = "fault" if free < _GIB // 5 else "warning" if free < 2 * _GIB else "ok"
    yield Finding("disk", level, f"{free / _GIB:.1f} GiB free beside {file.name}", "make room" if level != "ok" else "")
    key = file.with_name("secret.key")
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Finding("secret", "fault", f"{key.name} can be read by others", f"chmod 600 {key}")


_CHECKS: Final[tuple[Callable[[Connection, float], Iterator[Finding]], ...]] = (
    _whole,
    _partitions,
    _extensions,
    _jobs,
    _backlogs,
)


def examine(engine: Engine, now: float) -> list[Finding]:
    """Look at everything; a check that cannot be made is a finding too."""
    found = []
    try:
        with engine.connect() as connection:
            found += list(_migrations(connection, now))
            if found[0].level == "ok":  # on other tables the rest means nothing
                for check in _CHECKS:
                    found += list(check(connection, now))
    except SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        found.append(Finding("database", "fault", told, "see whether it runs and the URL is right"))
    return found + list(_disk(engine))
