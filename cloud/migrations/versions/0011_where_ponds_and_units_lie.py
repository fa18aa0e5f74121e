"""The bounding box of each pond and unit beside it; on PostgreSQL with PostGIS their shapes, indexed (`cloud.farms.shapes`)."""

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op
from shapely import from_geojson

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_EDGES = ("west", "south", "east", "north")
_JSON: Any = sa.JSON(none_as_null=True)
_PLACED = {"ponds": ("polygon", "longitude", "latitude"), "units": ("geometry",)}


def _box(geometry: dict[str, Any] | None, point: tuple[float | None, ...]) -> dict[str, float] | None:
    if geometry is None:
        known = [value for value in point if value is not None]
        return dict(zip(_EDGES, known * 2, strict=True)) if len(known) == 2 else None
    shape = from_geojson(orjson.dumps(geometry))
    return None if shape.is_empty else dict(zip(_EDGES, map(float, shape.bounds), strict=True))


def upgrade() -> None:
    """Go forward; the boxes of what is there are reckoned."""
    connection = op.get_bind()
    for name, placed_by in _PLACED.items():
        for edge in _EDGES:
            op.add_column(name, sa.Column(edge, sa.Double()))
        op.create_index(f"ix_{name}_box", name, list(_EDGES))
        columns = (sa.column(part, _JSON if part == placed_by[0] else sa.Double()) for part in placed_by)
        table = sa.table(name, sa.column("id"), *columns, *(sa.column(edge) for edge in _EDGES))
        held = sa.select(table.c.id).where(sa.or_(*(table.c[part].is_not(None) for part in placed_by)))
        for identity in connection.scalars(held).all():  # one by one: an outline may be large
            geometry, *point = connection.execute(sa.select(*(table.c[p] for p in placed_by)).where(table.c.id == identity)).one()
            box = _box(geometry, tuple(point))
            if box is not None:
                connection.execute(sa.update(table).where(table.c.id == identity).values(box))


def downgrade() -> None:
    """Go back; outlines and points stay."""
    from cloud.farms import shapes  # noqa: PLC0415 - the one place that knows them

    shapes.drop(op.get_bind())
    for name in _PLACED:
        op.drop_index(f"ix_{name}_box", name)
        for edge in _EDGES:
            op.drop_column(name, edge)
