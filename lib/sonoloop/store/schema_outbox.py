"""Table of what is on its way to the archive."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now


class OutboxRow(Base):
    """One annotation whose documents the archive is to have.

    ``documents`` tells their UIDs, files and hashes, decided once; empty until they are made.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("annotation"),
        Index("ix_outbox_state", "state", "next_attempt_at"),
        Index("ix_outbox_image", "image", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    annotation: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime] = mapped_column(default=now)
    problem: Mapped[str | None] = mapped_column(Text)
    documents: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
