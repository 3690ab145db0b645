"""Pictures of a report; matplotlib without its global state, so any thread may draw."""
