"""A node that is moved begins a new row; the old one keeps what was measured at its pond."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_HERE: Final = sa.text("until IS NULL")
_NODES: Final = sa.table("nodes", *(sa.column(name) for name in ("id", "eui", "since", "until")))


def upgrade() -> None:
    """Go forward; rows that going back has renamed are told from the name."""
    with op.batch_alter_table("nodes") as batch:
        batch.add_column(sa.Column("since", sa.BigInteger()))
        batch.add_column(sa.Column("until", sa.BigInteger()))
        batch.drop_constraint("uq_nodes_eui", type_="unique")
        batch.create_index("uq_nodes_eui_here", ["eui"], unique=True, sqlite_where=_HERE, postgresql_where=_HERE)
    connection, c = op.get_bind(), _NODES.c
    left = connection.execute(sa.select(c.id, c.eui).where(c.eui.contains("/"))).all()
    ends: dict[str, list[tuple[int, int]]] = {}
    for row in left:
        eui, _, end = row.eui.partition("/")
        ends.setdefault(eui, []).append((int(end.partition("/")[0]), row.id))
    for eui, rows in ends.items():
        since = None
        for until, node in sorted(rows):
            connection.execute(sa.update(_NODES).where(c.id == node).values(eui=eui, since=since, until=until))
            since = until
        connection.execute(sa.update(_NODES).where(c.eui == eui, c.until.is_(None)).values(since=since))


def downgrade() -> None:
    """Go back; a row that has ended becomes a node of its own, ``<EUI-64>/<its end>/<id>``, and keeps its readings."""
    c = _NODES.c
    name = c.eui + "/" + sa.cast(c.until, sa.String) + "/" + sa.cast(c.id, sa.String)
    op.get_bind().execute(sa.update(_NODES).where(c.until.is_not(None)).values(eui=name))
    with op.batch_alter_table("nodes") as batch:
        batch.drop_index("uq_nodes_eui_here")
        batch.create_unique_constraint("uq_nodes_eui", ["eui"])
        batch.drop_column("until")
        batch.drop_column("since")
