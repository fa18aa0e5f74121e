"""Entries, in the order in which they came."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base
from cloud.farms.tables import OfCooperative
from vuong.contract import api


class Entry(Base, OfCooperative):
    """One `vuong.contract.api.Entry`; it is never changed. `alarm` is the one that it speaks of, if any."""

    __tablename__ = "entries"
    __table_args__ = (Index("ix_entries_pond_id_kind_at", "pond_id", "kind", "at"),)

    position: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"))
    at: Mapped[int] = mapped_column(BigInteger)
    person: Mapped[str]
    place: Mapped[str]
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    alarm: Mapped[str | None] = mapped_column(index=True)

    def told(self) -> api.Entry:
        """Return the entry as it travels."""
        return {
            "id": self.id,
            "kind": self.kind,
            "pond": self.pond_id,
            "at": self.at,
            "by": self.person,
            "where": self.place,
            "content": self.content,
        }
