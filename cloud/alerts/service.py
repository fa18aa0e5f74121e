"""Finding alarms and node states."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from cloud.alerts.tables import Alarm, NodeStatus
from cloud.entries.tables import Entry
from cloud.farms.tables import Node
from cloud.tenancy import ScopedSession
from vuong.alarms import ALARM_KINDS

RECENT: Final = 100


def open_alarms(session: ScopedSession, pond: str | None = None) -> list[Alarm]:
    """Return the alarms that are not cleared, the most urgent first, then the newest."""
    statement = select(Alarm).where(Alarm.cleared.is_(None)).options(joinedload(Alarm.pond))
    if pond is not None:
        statement = statement.where(Alarm.pond_id == pond)
    return sorted(session.scalars(statement), key=lambda alarm: (ALARM_KINDS[alarm.kind].priority, -alarm.raised, alarm.id))


def cleared_alarms(session: ScopedSession, pond: str | None = None, limit: int = RECENT) -> list[Alarm]:
    """Return the alarms that were cleared last, the newest first."""
    statement = select(Alarm).where(Alarm.cleared.is_not(None)).options(joinedload(Alarm.pond))
    if pond is not None:
        statement = statement.where(Alarm.pond_id == pond)
    return list(session.scalars(statement.order_by(Alarm.cleared.desc(), Alarm.id).limit(limit)))


def alarm_revision(session: ScopedSession) -> tuple[int, int]:
    """Return the number of open alarms and a number that grows with every change of any alarm and with all that people say."""
    opened = session.scalar(select(func.count(Alarm.id)).where(Alarm.cleared.is_(None)))
    changes = session.scalar(select(func.coalesce(func.sum(Alarm.revision + 1), 0)))
    said = session.scalar(select(func.count(Entry.position)))
    return int(opened or 0), int(changes or 0) + int(said or 0)


def node_states(session: ScopedSession, pond: str) -> list[NodeStatus]:
    """Return the last known state of each node of a pond."""
    newest = select(func.max(NodeStatus.time)).where(NodeStatus.node_id == Node.id).correlate(Node).scalar_subquery()
    statement = (
        select(NodeStatus)
        .join(Node, Node.id == NodeStatus.node_id)
        .where(Node.pond_id == pond, NodeStatus.time == newest)
        .order_by(Node.id)
    )
    return list(session.scalars(statement))
