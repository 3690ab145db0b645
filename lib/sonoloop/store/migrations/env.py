"""Runs the migrations on the connection that :mod:`sonoloop.store.migrate` hands over."""

from alembic import context

from sonoloop.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
