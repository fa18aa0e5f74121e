"""The wide tables: one row a sample, one row a node's last values, and what could not be taken.

Their columns come from the table of quantities: `<quantity>` holds the value, `<quantity>_flag` QARTOD's flag. They carry no foreign keys: ingest
resolves every node before it writes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from sqlalchemy import JSON, BigInteger, Column, ColumnElement, Double, Integer, SmallInteger, Table, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base
from cloud.farms.tables import Node, OfCooperative
from cloud.tenancy import Owned
from vuong.quantities import QUANTITIES

NAMES: Final = tuple(QUANTITIES)


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

    A sample is known by (node, boot, seq), and two may share a time. Rows lie in order of node and time, which is how they are read.
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
        UniqueConstraint("node_id", "boot", "seq"),
        sqlite_with_rowid=False,
    )


class Latest(Base, OfNode):
    """A node's last value of every quantity, each with its own time; it moves forward in time only."""

    __table__ = Table(
        "latest",
        Base.metadata,
        Column("node_id", Integer, primary_key=True, autoincrement=False),
        *(Column(name, Double) for name in NAMES),
        *(Column(f"{name}_time", BigInteger) for name in NAMES),
        *(Column(f"{name}_flag", SmallInteger) for name in NAMES),
    )


class Quarantined(Base, OfCooperative):
    """A record that could not be taken, kept as it came with the reason; known by its digest, so that a repeat adds nothing."""

    __tablename__ = "quarantined"

    digest: Mapped[str] = mapped_column(primary_key=True)
    gateway_id: Mapped[str]
    part: Mapped[str]
    reason: Mapped[str]
    record: Mapped[Any] = mapped_column(JSON)
    received: Mapped[int] = mapped_column(BigInteger)
