"""Co-operatives, ponds, nodes and gateways."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, ColumnElement, ForeignKey, Index, UniqueConstraint, event, inspect, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloud.database import Base
from cloud.farms.outline import bounds
from cloud.tenancy import Common, Owned


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


class Placed:
    """A row that lies somewhere; its bounding box in degrees is kept beside it, ``None`` where it has no place.

    By the box any store finds the rows that can matter (`cloud.farms.places`).
    """

    __abstract__ = True
    placed_by: ClassVar[tuple[str, ...]]

    west: Mapped[float | None]
    south: Mapped[float | None]
    east: Mapped[float | None]
    north: Mapped[float | None]

    def ground(self) -> dict[str, Any] | None:
        """Return its GeoJSON geometry, ``None`` where it has no place."""
        raise NotImplementedError


@event.listens_for(Placed, "before_insert", propagate=True)
@event.listens_for(Placed, "before_update", propagate=True)
def _keep_box(mapper: object, connection: object, row: Placed) -> None:  # noqa: ARG001 - SQLAlchemy's signature
    state = inspect(row)
    if any(state.attrs[name].history.has_changes() for name in row.placed_by):
        row.west, row.south, row.east, row.north = bounds(row.ground())


class Pond(Base, OfCooperative, Placed):
    """A pond; `area` in m², `depth` in m, `limits` what differs from the species' own (`vuong.limits.limits_of`).

    It counts as where its point is (`longitude`, `latitude`): an outline may reach over a border, and it is one pond.
    """

    __tablename__ = "ponds"
    __table_args__ = (Index("ix_ponds_box", "west", "south", "east", "north"),)
    placed_by = ("polygon", "longitude", "latitude")

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    species: Mapped[str]
    area: Mapped[float | None]
    depth: Mapped[float | None]
    longitude: Mapped[float | None]
    latitude: Mapped[float | None]
    limits: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    polygon: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    # Those that stand there now; of those that were moved away the readings stay (`cloud.farms.stays`).
    nodes: Mapped[list[Node]] = relationship(
        primaryjoin="and_(Node.pond_id == Pond.id, Node.until.is_(None))", order_by="Node.id", viewonly=True
    )

    def ground(self) -> dict[str, Any] | None:
        """Return its outline, or else its point, as GeoJSON."""
        if self.polygon is not None or self.longitude is None or self.latitude is None:
            return self.polygon
        return {"type": "Point", "coordinates": [self.longitude, self.latitude]}


class Node(Base, OfCooperative):
    """A node while it stands at one pond, from `since` (``None``: ever) to `until` (``None``: still there), UTC seconds.

    `id` is what the wide tables carry, `eui` the EUI-64 that it sends, the rest as `vuong.contract.registration`.
    """

    __tablename__ = "nodes"
    __table_args__ = (
        Index(
            "uq_nodes_eui_here", "eui", unique=True, sqlite_where=text("until IS NULL"), postgresql_where=text("until IS NULL")
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    eui: Mapped[str]
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"), index=True)
    gateway: Mapped[str | None]
    probes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    firmware: Mapped[str | None]
    certificate: Mapped[str | None]
    installed: Mapped[int | None] = mapped_column(BigInteger)
    revoked: Mapped[int | None] = mapped_column(BigInteger)
    revoked_by: Mapped[str | None]
    revoked_reason: Mapped[str | None]
    since: Mapped[int | None] = mapped_column(BigInteger)
    until: Mapped[int | None] = mapped_column(BigInteger)


class Gateway(Base, OfCooperative):
    """A gateway of a co-operative; `heard` is when it last spoke (UTC seconds of the machine, to the minute)."""

    __tablename__ = "gateways"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    heard: Mapped[int | None] = mapped_column(BigInteger)


class Crop(Base, OfCooperative):
    """One crop of a pond, from stocking to harvest; dates are ``YYYY-MM-DD`` in Vietnam, `stocked` how many post-larvae."""

    __tablename__ = "crops"

    id: Mapped[int] = mapped_column(primary_key=True)
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"), index=True)
    species: Mapped[str]
    started: Mapped[str]
    ended: Mapped[str | None]
    stocked: Mapped[int | None] = mapped_column(BigInteger)
    hatchery: Mapped[str | None]


class DiaryEntry(Base, OfCooperative):
    """What was done in a pond (`cloud.farms.kinds`); never changed: a later entry `replaces` it, with other content or none (struck out)."""

    __tablename__ = "diary"

    id: Mapped[int] = mapped_column(primary_key=True)
    pond_id: Mapped[str] = mapped_column(ForeignKey("ponds.id"), index=True)
    kind: Mapped[str]
    time: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    author: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    entered: Mapped[int] = mapped_column(BigInteger)
    replaces: Mapped[int | None] = mapped_column(ForeignKey("diary.id"), unique=True)
    client_id: Mapped[str | None] = mapped_column(unique=True)


class Unit(Base, Common, Placed):
    """An administrative unit while it existed: from `valid_from` (inclusive) to `valid_to` (exclusive), dates ``YYYY-MM-DD``."""

    __tablename__ = "units"
    __table_args__ = (UniqueConstraint("code", "level", "valid_from"), Index("ix_units_box", "west", "south", "east", "north"))
    placed_by = ("geometry",)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(index=True)
    level: Mapped[str]
    name: Mapped[str]
    parent: Mapped[str | None]
    valid_from: Mapped[str]
    valid_to: Mapped[str | None]
    geometry: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    def ground(self) -> dict[str, Any] | None:
        """Return its outline as GeoJSON."""
        return self.geometry


class Crosswalk(Base, Common):
    """Which share of an old unit's total goes to a new one, and on what it rests (``list``, ``area``); the shares of one old unit add up to 1."""

    __tablename__ = "crosswalk"

    old_id: Mapped[int] = mapped_column(ForeignKey("units.id"), primary_key=True)
    new_id: Mapped[int] = mapped_column(ForeignKey("units.id"), primary_key=True, index=True)
    weight: Mapped[float]
    basis: Mapped[str]
