"""Data sets on disk: how the published ones are laid out, and how patients are kept apart."""
