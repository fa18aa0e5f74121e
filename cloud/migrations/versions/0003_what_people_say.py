"""Entries: acknowledgements, hand readings, calibrations."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "entries",
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("pond_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("alarm", sa.String(), nullable=True),
        sa.Column("cooperative_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["cooperative_id"], ["cooperatives.id"], name=op.f("fk_entries_cooperative_id")),
        sa.ForeignKeyConstraint(["pond_id"], ["ponds.id"], name=op.f("fk_entries_pond_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_entries_id")),
    )
    op.create_index("ix_entries_alarm", "entries", ["alarm"])
    op.create_index("ix_entries_cooperative_id", "entries", ["cooperative_id"])
    op.create_index("ix_entries_pond_id_kind_at", "entries", ["pond_id", "kind", "at"])


def downgrade() -> None:
    """Go back."""
    op.drop_table("entries")
