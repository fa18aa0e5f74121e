"""Shapes in PostgreSQL: where PostGIS is in the database, columns of geometry that the database itself derives from the GeoJSON, indexed (GiST).

Nothing is kept in them that is not in the rows: they can be made anew at any time, and a database without PostGIS has none
(`cloud.farms.places` then goes by the boxes).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from cloud.tenancy import ScopedSession

# A pond's point, as the index holds it: only this very expression finds it there.
PLACE: Final = "ST_SetSRID(ST_MakePoint(ponds.longitude, ponds.latitude), 4326)"
_SHAPES: Final = {
    "ponds": "COALESCE(ST_GeomFromGeoJSON(polygon), ST_SetSRID(ST_MakePoint(longitude, latitude), 4326))",
    "units": "ST_CollectionExtract(ST_GeomFromGeoJSON(geometry), 3)",
}
_COLUMN: Final = text(
    "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('units') AND attname = :name AND NOT attisdropped)"
)


def extension(connection: Connection, name: str) -> str | None:
    """Return the version of an extension of this database, ``None`` where it is not there."""
    if connection.dialect.name != "postgresql":
        return None
    found: str | None = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = :name"), {"name": name})
    return found


def shaped(connection: Connection) -> bool:
    """Return whether the shapes are there."""
    return connection.dialect.name == "postgresql" and bool(connection.scalar(_COLUMN, {"name": "shape"}))


def asked_by_shape(session: ScopedSession) -> bool:
    """Return whether a session's store answers by shapes; it asks the catalogue, which belongs to no co-op."""
    return shaped(session.connection())


def ensure(connection: Connection) -> None:
    """Make the shapes where PostGIS is in the database and they are not, any number of times with one effect."""
    boxed = connection.dialect.name == "postgresql" and connection.scalar(_COLUMN, {"name": "west"})
    # An extension in a schema that this role does not look into is as good as none.
    if not boxed or connection.scalar(text("SELECT to_regtype('geometry')")) is None or shaped(connection):
        return
    for table, shape in _SHAPES.items():
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN shape geometry GENERATED ALWAYS AS ({shape}) STORED"))
        connection.execute(text(f"CREATE INDEX ix_{table}_shape ON {table} USING gist (shape)"))
    connection.execute(text(f"CREATE INDEX ix_ponds_place ON ponds USING gist (({PLACE.replace('ponds.', '')}))"))


def drop(connection: Connection) -> None:
    """Take the shapes away, where they are."""
    if shaped(connection):
        connection.execute(text("DROP INDEX ix_ponds_place"))
        for table in _SHAPES:
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN shape"))
