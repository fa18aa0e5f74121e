"""What a technician registers of a node: its gateway, probes, firmware, certificate, and when it went out of service."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "gateway": sa.String(),
    "probes": sa.JSON(none_as_null=True),
    "firmware": sa.String(),
    "certificate": sa.String(),
    "installed": sa.BigInteger(),
    "revoked": sa.BigInteger(),
    "revoked_by": sa.String(),
    "revoked_reason": sa.String(),
}


def upgrade() -> None:
    """Go forward."""
    for name, kind in _COLUMNS.items():
        op.add_column("nodes", sa.Column(name, kind))


def downgrade() -> None:
    """Go back; what was registered is lost."""
    for name in _COLUMNS:
        op.drop_column("nodes", name)
