"""Alembic's entry: it runs on the connection that `cloud.database.migrate` hands in."""

from alembic import context

from cloud.farms import shapes
from cloud.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
    # Not a step of its own: PostGIS may come to a database after the tables.
    shapes.ensure(connection)
