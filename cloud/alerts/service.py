"""Finding alarms and node states."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from cloud.alerts.tables import Alarm, NodeStatus
from cloud.entries.tables import Entry
from cloud.farms.tables import Node
from cloud.tenancy import ScopedSession
from vuong.alarms import ALARM_KINDS, State

RECENT: Final = 100
ASIDE: Final = (State.SHELVED, State.SUPPRESSED)


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
    """Return the number of open alarms, without those put aside, and a number that grows with every change of an alarm and all that people say."""
    ringing = Alarm.cleared.is_(None) & Alarm.state.not_in(ASIDE)
    opened = session.scalar(select(func.count(Alarm.id)).where(ringing))
    changes = session.scalar(select(func.coalesce(func.sum(Alarm.revision + 1), 0)))
    said = session.scalar(select(func.count(Entry.position)))
    return int(opened or 0), int(changes or 0) + int(said or 0)


def newest_states(session: ScopedSession, nodes: Collection[int]) -> dict[int, NodeStatus]:
    """Return the last known state of each node that has one, by the node's number."""
    newest = select(NodeStatus.node_id, func.max(NodeStatus.time).label("time")).group_by(NodeStatus.node_id).subquery()
    last = (NodeStatus.node_id == newest.c.node_id) & (NodeStatus.time == newest.c.time)
    found = session.scalars(select(NodeStatus).join(newest, last).where(NodeStatus.node_id.in_(nodes)))
    return {state.node_id: state for state in found}


def states_of(session: ScopedSession, node: int, limit: int = 20) -> list[NodeStatus]:
    """Return a node's last states, the newest first."""
    return list(
        session.scalars(select(NodeStatus).where(NodeStatus.node_id == node).order_by(NodeStatus.time.desc()).limit(limit))
    )


def node_states(session: ScopedSession, pond: str) -> list[NodeStatus]:
    """Return the last known state of each node that stands at a pond."""
    newest = select(func.max(NodeStatus.time)).where(NodeStatus.node_id == Node.id).correlate(Node).scalar_subquery()
    statement = (
        select(NodeStatus)
        .join(Node, Node.id == NodeStatus.node_id)
        .where(Node.pond_id == pond, Node.until.is_(None), NodeStatus.time == newest)
        .order_by(Node.id)
    )
    return list(session.scalars(statement))
