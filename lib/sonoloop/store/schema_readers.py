"""Tables of work that several readers share: leases, assignments, reviews, skips."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now


class LeaseRow(Base):
    """Who works on an image, until when; one an image, and a lapsed one counts for nothing."""

    __tablename__ = "leases"
    __table_args__ = (Index("ix_leases_reader", "reader"),)

    image: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    reader: Mapped[str] = mapped_column(Text)
    strategy: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    taken_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]


class AssignmentRow(Base):
    """A reader by name whose answer an image waits for."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("image", "reader"),
        Index("ix_assignments_reader", "reader", "image"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    reader: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class ReviewRow(Base):
    """What a reviewer decided of a revision; never changed."""

    __tablename__ = "reviews"
    __table_args__ = (Index("ix_reviews_annotation", "annotation"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    annotation: Mapped[int] = mapped_column(ForeignKey("annotations.id", ondelete="CASCADE"))
    reviewer: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class SkipRow(Base):
    """A reader who passed an image over, or says that it cannot be assessed."""

    __tablename__ = "skips"
    __table_args__ = (
        Index("ix_skips_image", "image"),
        Index("ix_skips_reader", "reader", "image"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    reader: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]
