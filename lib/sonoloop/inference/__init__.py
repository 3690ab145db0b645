"""The dual-stage pipeline: one code path for server, batch, evaluation and command line."""
