"""When a gateway last spoke, by the machine's own clock."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("gateways", sa.Column("heard", sa.BigInteger()))


def downgrade() -> None:
    """Go back; the next batch tells it again."""
    op.drop_column("gateways", "heard")
