"""The wide tables: one row a sample, one row a node's last values, hours and days rolled up, and what could not be taken.

Their columns come from the table of quantities: `<quantity>` holds the value, `<quantity>_flag` QARTOD's flag. They carry no foreign keys: ingest
resolves every node before it writes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base
from cloud.farms.tables import Node, OfCooperative
from cloud.tenancy import Owned
from vuong.quantities import QUANTITIES

NAMES: Final = tuple(QUANTITIES)
# What a rolled-up hour or day keeps of a quantity: readings that did not fail (how many, their sum, lowest, highest) and how many failed.
PARTS: Final = ("n", "sum", "low", "high", "failed")


class OfNode(Owned):
    """A row that names its node."""

    __abstract__ = True
    __table__: ClassVar[Any]

    @classmethod
    def within(cls, cooperatives: frozenset[str]) -> ColumnElement[bool]:
        """Return the condition that the row's node belongs to one of `cooperatives`."""
        condition: ColumnElement[bool] = cls.__table__.c.node_id.in_(select(Node.id).where(Node.cooperative_id.in_(cooperatives)))
        return condition


class Sample(Base, OfNode):
    """All readings of one node at one moment.

    A sample is known by (node, boot, seq), and two may share a time: `Received` keeps which are there, because PostgreSQL's monthly partitions can
    hold no uniqueness without the time. Rows lie in order of node and time, which is how they are read.
    `arrived` is when the gateway had it; `reasons` is ``{quantity: {"key": ..., ...numbers}}`` for readings that are flagged suspect or failed.
    """

    __table__ = Table(
        "samples",
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        Column("time", BigInteger, primary_key=True, autoincrement=False),
        Column("boot", BigInteger, primary_key=True, autoincrement=False),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("arrived", BigInteger, nullable=False),
        *(Column(name, Double) for name in NAMES),
        *(Column(f"{name}_flag", SmallInteger) for name in NAMES),
        Column("reasons", JSON(none_as_null=True)),
        sqlite_with_rowid=False,
        postgresql_partition_by="RANGE (time)",
    )


class Received(Base, OfNode):
    """Which samples of a boot were ever stored, as ranges of sequence numbers that neither touch nor overlap; it outlives the samples."""

    __table__ = Table(
        "received",
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        Column("boot", BigInteger, primary_key=True, autoincrement=False),
        Column("first", BigInteger, primary_key=True, autoincrement=False),
        Column("last", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


class Latest(Base, OfNode):
    """A node's last value of every quantity, each with its own time; only a correction moves it back."""

    __table__ = Table(
        "latest",
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        *(Column(name, Double) for name in NAMES),
        *(Column(f"{name}_time", BigInteger) for name in NAMES),
        *(Column(f"{name}_flag", SmallInteger) for name in NAMES),
    )


def _rolled(table: str) -> Table:
    kinds = {"n": Integer, "failed": Integer}
    return Table(
        table,
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        *(Column(f"{name}_{part}", kinds.get(part, Double)) for name in NAMES for part in PARTS),
        sqlite_with_rowid=False,
    )


class Hourly(Base, OfNode):
    """A node's hour from `start` on; right where `StaleHour` does not name the hour."""

    __table__ = _rolled("hourly")


class Daily(Base, OfNode):
    """A node's day from `start` on, by Vietnam's clock; right where none of its hours is stale."""

    __table__ = _rolled("daily")


class StaleHour(Base, OfNode):
    """An hour whose samples changed since it was rolled up; `taken` while somebody rolls it."""

    __table__ = Table(
        "stale_hours",
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        Column("start", BigInteger, primary_key=True, autoincrement=False),
        Column("taken", Boolean, nullable=False, default=False),
        Index("ix_stale_hours_start", "start"),
        sqlite_with_rowid=False,
    )


class Revision(Base, OfNode):
    """A reading that somebody changed: what it was, what it became, who, when, why. Rows are added, never changed or removed."""

    __table__ = Table(
        "revisions",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column("node_id", Integer, nullable=False),
        Column("time", BigInteger, nullable=False),
        Column("boot", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("quantity", String, nullable=False),
        Column("old_value", Double),
        Column("old_flag", SmallInteger),
        Column("new_value", Double),
        Column("new_flag", SmallInteger),
        Column("author", String, nullable=False),
        Column("changed", BigInteger, nullable=False),
        Column("reason", String, nullable=False),
        Index("ix_revisions_node_id_time", "node_id", "time"),
    )


class Retained(Base):
    """One row: samples before `raw_from` were let go, their hours and days stay."""

    __tablename__ = "retained"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    raw_from: Mapped[int] = mapped_column(BigInteger)


class MirrorParcel(Base):
    """Line protocol that the mirror has not taken yet, zstd-compressed; sent in order of `id`."""

    __tablename__ = "mirror_outbox"

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[bytes] = mapped_column(LargeBinary)


class Quarantined(Base, OfCooperative):
    """A record that could not be taken, kept as it came with the reason; known by its digest, so that a repeat adds nothing."""

    __tablename__ = "quarantined"

    digest: Mapped[str] = mapped_column(primary_key=True)
    gateway_id: Mapped[str]
    part: Mapped[str]
    reason: Mapped[str]
    record: Mapped[Any] = mapped_column(JSON)
    received: Mapped[int] = mapped_column(BigInteger)
