"""Alembic migrations; run by :mod:`sonoloop.store.migrate` when a workspace is opened."""
