"""Every table of the store: whoever imports this sees them all in ``Base.metadata``."""

from sonoloop.store import (
    schema_accounts,
    schema_acquisition,
    schema_events,
    schema_gate,
    schema_outbox,
    schema_quality,
    schema_readers,
)
from sonoloop.store.schema import Base

__all__ = [
    "Base",
    "schema_accounts",
    "schema_acquisition",
    "schema_events",
    "schema_gate",
    "schema_outbox",
    "schema_quality",
    "schema_readers",
]
