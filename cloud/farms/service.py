"""Finding ponds."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from cloud.farms.tables import Cooperative, Pond
from cloud.tenancy import ScopedSession


def cooperatives(session: ScopedSession) -> list[Cooperative]:
    """Return the co-operatives, by name."""
    return list(session.scalars(select(Cooperative).order_by(Cooperative.name)))


def ponds(session: ScopedSession) -> list[Pond]:
    """Return the ponds, in order of co-operative and id (``ao-2`` before ``ao-10``)."""
    return ordered(session.scalars(select(Pond)))


def ordered(ponds: Iterable[Pond]) -> list[Pond]:
    """Return ponds in the order in which people are shown them."""
    return sorted(ponds, key=lambda pond: (pond.cooperative_id, len(pond.id), pond.id))


def pond(session: ScopedSession, id: str) -> Pond | None:  # noqa: A002
    """Return a pond, ``None`` where it is not there or not theirs to see."""
    return session.scalar(select(Pond).where(Pond.id == id))
