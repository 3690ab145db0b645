"""Networks by name, their weights on disk, and where they run."""
