"""Which samples were received, hours and days rolled up, revisions, retention, jobs, the mirror's outbox; monthly partitions on PostgreSQL."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As they were when this step was written: a quantity that comes later brings its own step.
_QUANTITIES = ("temperature", "do", "ph", "salinity", "conductivity", "turbidity", "depth")
_COLUMNS = ", ".join(
    f'"{name}"'
    for name in ("node_id", "time", "boot", "seq", "arrived", *_QUANTITIES, *(f"{q}_flag" for q in _QUANTITIES), "reasons")
)
# Runs of sequence numbers without a hole become a row each.
_RECEIVED = """
INSERT INTO received (node_id, boot, first, last)
SELECT node_id, boot, min(seq), max(seq)
FROM (SELECT node_id, boot, seq, seq - row_number() OVER (PARTITION BY node_id, boot ORDER BY seq) AS run FROM samples) AS runs
GROUP BY node_id, boot, run"""


def _samples(name: str, *constraints: SchemaItem, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
    op.create_table(
        name,
        sa.Column("node_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("boot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("arrived", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double()) for name in _QUANTITIES),
        *(sa.Column(f"{name}_flag", sa.SmallInteger()) for name in _QUANTITIES),
        sa.Column("reasons", sa.JSON(none_as_null=True)),
        *constraints,
        **options,
    )


def _partitions(bind: sa.Connection) -> None:
    """Make a partition for every month that has samples; before 2020 is one."""
    from cloud.telemetry.partitions import ensure  # noqa: PLC0415 - the one rule for their names

    days = bind.scalars(sa.text("SELECT DISTINCT time / 86400 * 86400 FROM samples_before")).all()
    ensure(bind, days)


def _brought(bind: sa.Connection, function: str) -> bool:
    """Return whether an extension of this database brings a function: TimescaleDB or Citus, of which neither is needed."""
    return bind.dialect.name == "postgresql" and bool(
        bind.scalar(
            sa.text("SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = :name AND pg_function_is_visible(oid))"),
            {"name": function},
        )
    )


def _rolled(table: str) -> None:
    number: Any = sa.Double()
    count: Any = sa.Integer()
    parts = (("n", count), ("sum", number), ("low", number), ("high", number), ("failed", count))
    op.create_table(
        table,
        sa.Column("node_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(f"{name}_{part}", kind) for name in _QUANTITIES for part, kind in parts),
        sa.PrimaryKeyConstraint("node_id", "start", name=f"pk_{table}"),
        sqlite_with_rowid=False,
    )


def upgrade() -> None:
    """Go forward; every sample stays, and its hour is marked to be rolled up."""
    bind = op.get_bind()
    op.create_table(
        "received",
        sa.Column("node_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("boot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "boot", "first", name="pk_received"),
        sqlite_with_rowid=False,
    )
    op.execute(_RECEIVED)
    _rolled("hourly")
    _rolled("daily")
    op.create_table(
        "stale_hours",
        sa.Column("node_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("node_id", "start", name="pk_stale_hours"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stale_hours_start", "stale_hours", ["start"])
    op.execute("INSERT INTO stale_hours (node_id, start, taken) SELECT DISTINCT node_id, time / 3600 * 3600, false FROM samples")
    op.create_table(
        "revisions",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("node_id", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.String(), nullable=False),
        sa.Column("old_value", sa.Double()),
        sa.Column("old_flag", sa.SmallInteger()),
        sa.Column("new_value", sa.Double()),
        sa.Column("new_flag", sa.SmallInteger()),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )
    op.create_index("ix_revisions_node_id_time", "revisions", ["node_id", "time"])
    op.create_table(
        "retained",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("raw_from", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "job_runs",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger()),
        sa.Column("well", sa.BigInteger()),
        sa.Column("told", sa.String(), nullable=False),
    )
    op.create_table(
        "mirror_outbox",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
    )
    _move_samples(bind, sa.PrimaryKeyConstraint("node_id", "time", "boot", "seq", name="pk_samples"), partition=True)


def _move_samples(bind: sa.Connection, *constraints: SchemaItem, partition: bool) -> None:
    """Make the table of samples anew with other constraints and move the rows over."""
    op.rename_table("samples", "samples_before")
    if bind.dialect.name == "postgresql":  # SQLite's constraints have no names of their own
        op.execute("ALTER TABLE samples_before RENAME CONSTRAINT pk_samples TO pk_samples_before")
    hypertable = partition and _brought(bind, "create_hypertable")
    options = {"postgresql_partition_by": "RANGE (time)"} if partition and not hypertable else {}
    _samples("samples", *constraints, sqlite_with_rowid=False, **options)
    if hypertable:  # 30 days a chunk; the key serves every question that an index of its own would
        op.execute("SELECT create_hypertable('samples', 'time', chunk_time_interval => 2592000, create_default_indexes => false)")
    elif bind.dialect.name == "postgresql" and partition:
        _partitions(bind)
    if partition and _brought(bind, "create_distributed_table"):
        op.execute("SELECT create_distributed_table('samples', 'node_id')")
    op.execute(f"INSERT INTO samples ({_COLUMNS}) SELECT {_COLUMNS} FROM samples_before")  # noqa: S608
    op.drop_table("samples_before")


def downgrade() -> None:
    """Go back; samples stay as they were corrected, what was rolled up or revised goes."""
    bind = op.get_bind()
    key = sa.PrimaryKeyConstraint("node_id", "time", "boot", "seq", name="pk_samples")
    _move_samples(bind, key, sa.UniqueConstraint("node_id", "boot", "seq", name="uq_samples_node_id_boot_seq"), partition=False)
    for table in ("mirror_outbox", "job_runs", "retained", "revisions", "stale_hours", "daily", "hourly", "received"):
        op.drop_table(table)
