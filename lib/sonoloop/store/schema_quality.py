"""Tables of what is doubtful about labels, and of what has been looked at."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now


class QualityFlagRow(Base):
    """One doubt about one revision; ``subject`` is what the label disagrees with."""

    __tablename__ = "quality_flags"
    __table_args__ = (
        UniqueConstraint("annotation", "kind", "subject"),
        Index("ix_quality_flags_state", "state", "image"),
        Index("ix_quality_flags_image", "image"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    annotation: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(256))
    sentence: Mapped[str] = mapped_column(Text)
    figures: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    raised_at: Mapped[datetime] = mapped_column(default=now)
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)


class QualityCheckRow(Base):
    """Up to which annotation the labels of an image have been looked at."""

    __tablename__ = "quality_checks"

    image: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    annotation: Mapped[int]
    checked_at: Mapped[datetime] = mapped_column(default=now)
