"""Tables of gated publishing: locked patients, gate results with their cases, publications."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from sonoloop.store.schema import Base, now


class LockedPlaceRow(Base):
    """Whether a patient or a group of near-duplicates is locked; decided once.

    ``key`` is a hash of the name.
    """

    __tablename__ = "locked_places"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    locked: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=now)


class GateRow(Base):
    """One measurement of a candidate beside the serving model, and the verdict; never changed."""

    __tablename__ = "gates"
    __table_args__ = (Index("ix_gates_task", "task", "id"), Index("ix_gates_model", "model", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[int] = mapped_column(ForeignKey("models.id"))
    against: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    task: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    figures: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    suspects: Mapped[list[str]]
    debt: Mapped[float]
    job_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class GateCaseRow(Base):
    """What candidate and serving model scored on one locked image."""

    __tablename__ = "gate_cases"

    gate: Mapped[int] = mapped_column(
        ForeignKey("gates.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    image_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    patient: Mapped[str] = mapped_column(Text)
    label_key: Mapped[str] = mapped_column(String(64))
    measure: Mapped[str] = mapped_column(String(16))
    candidate: Mapped[float]
    serving: Mapped[float | None]


class PublicationRow(Base):
    """A model that began to serve: by whom, why, in whose place; never changed."""

    __tablename__ = "publications"
    __table_args__ = (Index("ix_publications_task", "task", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(String(16))
    model: Mapped[int] = mapped_column(ForeignKey("models.id"))
    replaced: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    gate: Mapped[int | None] = mapped_column(ForeignKey("gates.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
