"""Alembic's entry: runs on the connection that `coir.server.store.migration` holds."""

from alembic import context

from coir.server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
context.run_migrations()
