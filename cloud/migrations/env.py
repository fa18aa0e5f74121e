"""Alembic's entry: it runs on the connection that `cloud.database.migrate` hands in."""

from alembic import context

from cloud.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
