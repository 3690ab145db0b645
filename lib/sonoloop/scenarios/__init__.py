"""Scenarios: what is trained and tested on which data, and the table that comes of it."""
