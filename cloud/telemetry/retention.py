"""How long samples stay: whole months are let go once their hours and days are rolled up, which stay."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Engine, delete, func, select

from cloud.telemetry.partitions import drop_before, month_of, partitioned
from cloud.telemetry.rollups import DAY, roll_up, roll_up_all
from cloud.telemetry.store import upsert
from cloud.telemetry.tables import Retained, Sample

SHORTEST: Final = 32  # days; a month that is not over is never let go
LINE_LOCK: Final = 7_286_003
_STEP: Final = DAY


def raw_from(connection: Connection) -> int:
    """Return the time from which samples are kept; 0 while nothing was let go."""
    return int(connection.scalar(select(Retained.raw_from).where(Retained.id == 1)) or 0)


def line(connection: Connection) -> int:
    """Return `raw_from`, which stays as it is until the transaction ends."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock_shared(LINE_LOCK)))
    return raw_from(connection)


def let_go(engine: Engine, now: float, days: int) -> int:
    """Let go the samples of whole months that are older than `days`; return the time from which samples are kept.

    Raises
    ------
    ValueError
        if `days` is below `SHORTEST`
    """
    if days < SHORTEST:
        raise ValueError(f"samples shall be kept for {days} days; keep them for at least {SHORTEST}")
    edge = month_of(int(now) - days * DAY)
    with engine.connect() as connection:
        held = raw_from(connection)
        oldest = connection.scalar(select(func.min(Sample.__table__.c.time)))
    if edge <= held and (oldest is None or oldest >= held):
        return held
    edge = max(edge, held)
    roll_up(engine, edge)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if connection.dialect.name != "sqlite":
            # Batches hold the shared half of this lock: from here on every one of them sees the line.
            connection.execute(select(func.pg_advisory_xact_lock(LINE_LOCK)))
        roll_up_all(connection, edge)
        statement = upsert(connection, Retained.__table__).values(id=1, raw_from=edge)
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"raw_from": edge}))
    _forget(engine, edge, oldest)
    return edge


def _forget(engine: Engine, edge: int, oldest: int | None) -> None:
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        if partitioned(connection):
            drop_before(connection, edge)
            return
    # Elsewhere a day a transaction, so that writers get their turn.
    time = edge if oldest is None else int(oldest)
    while time < edge:
        time = min(time + _STEP, edge)
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            connection.execute(delete(Sample).where(Sample.__table__.c.time < time))
