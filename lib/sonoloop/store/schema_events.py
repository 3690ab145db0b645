"""Table of the event log: rows are added, never changed; triggers of the database see to it."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now

KIND_LENGTH: Final = 32


class EventRow(Base):
    """Something that happened.

    Images and models are named by their ids, not by keys of their tables: what happened stays
    told when they have gone.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_image", "image_id", "id"),
        Index("ix_events_model", "model_id", "id"),
        Index("ix_events_kind", "kind", "id"),
        Index("ix_events_actor", "actor", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(KIND_LENGTH))
    actor: Mapped[str] = mapped_column(Text)
    image_id: Mapped[str | None] = mapped_column(String(128))
    model_id: Mapped[str | None] = mapped_column(String(128))
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
