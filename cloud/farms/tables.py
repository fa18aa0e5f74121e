"""Co-operatives, ponds, nodes and gateways."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ColumnElement, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.database import Base
from cloud.tenancy import Owned


class Cooperative(Base, Owned):
    """A co-operative: the tenant."""

    __tablename__ = "cooperatives"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that it is one of `cooperatives`."""
        return cls.id.in_(cooperatives)

    def owner(self) -> str | None:
        """Return itself."""
        return self.id


class OfCooperative(Owned):
    """A row that names its co-operative."""

    __abstract__ = True

    cooperative_id: Mapped[str] = mapped_column(ForeignKey("cooperatives.id"), index=True)

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that a row belongs to one of `cooperatives`."""
        return cls.cooperative_id.in_(cooperatives)


class Pond(Base, OfCooperative):
    """A pond; `area` in m², `depth` in m, `limits` what differs from the species' own (`vuong.limits.limits_of`)."""

    __tablename__ = "ponds"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    species: Mapped[str]
    area: Mapped[float | None]
    depth: Mapped[float | None]
    longitude: Mapped[float | None]
    latitude: Mapped[float | None]
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    nodes: Mapped[list[Node]] = relationship(back_populates="pond", order_by="Node.id")


class Node(Base, OfCooperative):
    """A node in a pond; `id` is what the wide tables carry, `eui` the EUI-64 that it sends."""

    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(primary_key=True)
    eui: Mapped[str] = mapped_column(unique=True)
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"), index=True)
    pond: Mapped[Pond] = relationship(back_populates="nodes")


class Gateway(Base, OfCooperative):
    """A gateway of a co-operative."""

    __tablename__ = "gateways"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
