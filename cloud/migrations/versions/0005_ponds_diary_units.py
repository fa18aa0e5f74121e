"""Outlines of ponds, crops, the pond diary; administrative units with their dates and crosswalk."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("ponds", sa.Column("polygon", sa.JSON(none_as_null=True)))
    op.create_table(
        "crops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pond_id", sa.String(), nullable=False),
        sa.Column("species", sa.String(), nullable=False),
        sa.Column("started", sa.String(), nullable=False),
        sa.Column("ended", sa.String()),
        sa.Column("stocked", sa.BigInteger()),
        sa.Column("hatchery", sa.String()),
        sa.Column("cooperative_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["cooperative_id"], ["cooperatives.id"], name="fk_crops_cooperative_id"),
        sa.ForeignKeyConstraint(["pond_id"], ["ponds.id"], name="fk_crops_pond_id"),
        sa.PrimaryKeyConstraint("id", name="pk_crops"),
    )
    op.create_table(
        "diary",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pond_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(none_as_null=True)),
        sa.Column("author", sa.Integer()),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.Column("replaces", sa.Integer()),
        sa.Column("client_id", sa.String()),
        sa.Column("cooperative_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["author"], ["users.id"], name="fk_diary_author"),
        sa.ForeignKeyConstraint(["cooperative_id"], ["cooperatives.id"], name="fk_diary_cooperative_id"),
        sa.ForeignKeyConstraint(["pond_id"], ["ponds.id"], name="fk_diary_pond_id"),
        sa.ForeignKeyConstraint(["replaces"], ["diary.id"], name="fk_diary_replaces"),
        sa.PrimaryKeyConstraint("id", name="pk_diary"),
        sa.UniqueConstraint("client_id", name="uq_diary_client_id"),
        sa.UniqueConstraint("replaces", name="uq_diary_replaces"),
    )
    for table in ("crops", "diary"):
        for column in ("cooperative_id", "pond_id"):
            op.create_index(f"ix_{table}_{column}", table, [column])
    op.create_table(
        "units",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("parent", sa.String()),
        sa.Column("valid_from", sa.String(), nullable=False),
        sa.Column("valid_to", sa.String()),
        sa.Column("geometry", sa.JSON(none_as_null=True)),
        sa.PrimaryKeyConstraint("id", name="pk_units"),
        sa.UniqueConstraint("code", "level", "valid_from", name="uq_units_code_level_valid_from"),
    )
    op.create_index("ix_units_code", "units", ["code"])
    op.create_table(
        "crosswalk",
        sa.Column("old_id", sa.Integer(), nullable=False),
        sa.Column("new_id", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["new_id"], ["units.id"], name="fk_crosswalk_new_id"),
        sa.ForeignKeyConstraint(["old_id"], ["units.id"], name="fk_crosswalk_old_id"),
        sa.PrimaryKeyConstraint("old_id", "new_id", name="pk_crosswalk"),
    )
    op.create_index("ix_crosswalk_new_id", "crosswalk", ["new_id"])


def downgrade() -> None:
    """Go back; what these tables held is lost."""
    for table in ("crosswalk", "units", "diary", "crops"):
        op.drop_table(table)
    op.drop_column("ponds", "polygon")
