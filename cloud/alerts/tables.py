"""Alarms by id and revision, and node states by node and time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.database import Base
from cloud.farms.tables import OfCooperative, Pond


class Alarm(Base, OfCooperative):
    """One alarm as it stands; a later revision replaced an earlier one. `numbers` fill the placeholders of the kind's texts."""

    __tablename__ = "alarms"

    id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int]
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"), index=True)
    node: Mapped[str | None]
    kind: Mapped[str]
    quantity: Mapped[str | None]
    state: Mapped[str]
    raised: Mapped[int] = mapped_column(BigInteger, index=True)
    cleared: Mapped[int | None] = mapped_column(BigInteger)
    acknowledged: Mapped[int | None] = mapped_column(BigInteger)
    numbers: Mapped[dict[str, Any]] = mapped_column(JSON)
    pond: Mapped[Pond] = relationship()


class NodeStatus(Base, OfCooperative):
    """A node's state from `time` on, as its gateway saw it."""

    __tablename__ = "node_statuses"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    state: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
