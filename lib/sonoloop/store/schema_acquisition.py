"""Tables of what a model makes of the images, and of the order in which they are to be labelled."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now


class AcquisitionRow(Base):
    """Scores and embedding of an image under one model version, or why there are none.

    ``model`` names every model that took part; ``embedding`` holds float16 values.
    """

    __tablename__ = "acquisition"
    __table_args__ = (Index("ix_acquisition_model", "model", "image"),)

    image: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    model: Mapped[str] = mapped_column(String(300), primary_key=True)
    entropy: Mapped[float | None]
    bald: Mapped[float | None]
    margin: Mapped[float | None]
    lesion_share: Mapped[float | None]
    predicted_class: Mapped[float | None]
    embedding: Mapped[bytes | None] = mapped_column(LargeBinary)
    problem: Mapped[str | None] = mapped_column(Text)
    scored_at: Mapped[datetime] = mapped_column(default=now)


class QueueRow(Base):
    """The images a strategy proposes, best first, each with its reason.

    ``labels`` is how many images were labelled when the queue was made.
    """

    __tablename__ = "acquisition_queue"
    __table_args__ = (Index("ix_acquisition_queue_image", "image"),)

    strategy: Mapped[str] = mapped_column(String(32), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    score: Mapped[float]
    reason: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(String(300))
    labels: Mapped[int]
    queued_at: Mapped[datetime] = mapped_column(default=now)
