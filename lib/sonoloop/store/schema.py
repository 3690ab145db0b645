"""Tables of the store, in types every SQL database has.

A change here needs a migration; a test compares the two.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ACTIVE = text("status IN ('SUBMITTED', 'RUNNING')")
"""Jobs of which there may be only one of a kind on a target."""


def now() -> datetime:
    """This instant, with its zone."""
    return datetime.now(UTC)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def to_json(value: object) -> str:
    """JSON that every database accepts: a float that is no number becomes null."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False)


class UtcDateTime(TypeDecorator[datetime]):
    """Instants with a zone, also in databases that keep none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Instant as the database keeps it."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Instant as we keep it."""
        if value is None or value.tzinfo is not None:
            return None if value is None else value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Ground of all tables; constraints have names, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


class ImageRow(Base):
    """One image or one frame of a cine.

    ``random_key`` is a hash of the id: a random image is the first at or after a random number.
    ``labelled`` is true when enough readers have answered or an adjudication stands; it and
    ``readers_done`` change in the transaction of the answer. ``reserved`` images are for the
    readers they are assigned to by name.
    """

    __tablename__ = "images"
    __table_args__ = (
        Index("ix_images_pool_random", "labelled", "available", "random_key"),
        Index("ix_images_pool_oldest", "labelled", "available", "id"),
        Index("ix_images_source_locator", "source", "locator"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(String(128), unique=True)
    source: Mapped[str] = mapped_column(String(16))
    locator: Mapped[str] = mapped_column(Text)
    frame: Mapped[int]
    frame_count: Mapped[int]
    rows: Mapped[int]
    columns: Mapped[int]
    row_spacing_mm: Mapped[float | None]
    column_spacing_mm: Mapped[float | None]
    patient_id: Mapped[str | None] = mapped_column(Text, index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(String(64))
    series_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    sop_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    modality: Mapped[str] = mapped_column(String(16))
    study_date: Mapped[str | None] = mapped_column(String(16))
    near_duplicates: Mapped[str | None] = mapped_column(Text)
    split: Mapped[str | None] = mapped_column(Text)
    flags: Mapped[list[str]]
    file_size: Mapped[int] = mapped_column(BigInteger)
    file_mtime_ns: Mapped[int] = mapped_column(BigInteger)
    info: Mapped[dict[str, Any]]
    random_key: Mapped[int] = mapped_column(BigInteger)
    available: Mapped[bool]
    labelled: Mapped[bool]
    readers_wanted: Mapped[int] = mapped_column(default=1, server_default="1")
    readers_done: Mapped[int] = mapped_column(default=0, server_default="0")
    reserved: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=now)


class AnnotationRow(Base):
    """One revision of one image and tag; what a reader said in it never changes.

    ``in_force`` marks the newest revision of its reader that is neither a draft nor conflicting,
    taken back nor overruled by a later answer; readings and adjudications are told apart.
    """

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("image", "tag", "revision"),
        Index("ix_annotations_reader", "reader", "image", "in_force"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    tag: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]
    mask_path: Mapped[str | None] = mapped_column(Text)
    mask_sha256: Mapped[str | None] = mapped_column(String(64))
    pathology: Mapped[str | None] = mapped_column(String(16))
    birads: Mapped[str | None] = mapped_column(String(4))
    reader: Mapped[str] = mapped_column(Text)
    source_model: Mapped[str | None] = mapped_column(Text)
    seconds_spent: Mapped[float | None]
    info: Mapped[dict[str, Any]]
    import_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="submitted", server_default="submitted")
    adjudicates: Mapped[bool] = mapped_column(default=False, server_default=false())
    base_revision: Mapped[int | None]
    in_force: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None]


class RefusalRow(Base):
    """A file of the source that could not be registered, and why."""

    __tablename__ = "refusals"

    locator: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    file_size: Mapped[int] = mapped_column(BigInteger)
    file_mtime_ns: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(default=now)


class ModelRow(Base):
    """One version of a model; its files lie in ``models/<model_id>``."""

    __tablename__ = "models"

    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(String(128), unique=True)
    task: Mapped[str] = mapped_column(String(16), index=True)
    architecture: Mapped[str] = mapped_column(Text)
    parent_id: Mapped[str | None] = mapped_column(Text)
    metrics: Mapped[dict[str, Any]]
    weights_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class ServingRow(Base):
    """The one model that serves a task; pinned, it is not replaced."""

    __tablename__ = "serving"

    task: Mapped[str] = mapped_column(String(16), primary_key=True)
    model: Mapped[int] = mapped_column(ForeignKey("models.id"))
    published_at: Mapped[datetime] = mapped_column(default=now)
    pinned_by: Mapped[str | None] = mapped_column(Text)
    pinned_reason: Mapped[str | None] = mapped_column(Text)
    pinned_at: Mapped[datetime | None]


class JobRow(Base):
    """A piece of background work."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "uq_jobs_active",
            "kind",
            "target",
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        ),
        Index("ix_jobs_kind_target", "kind", "target", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    request: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any]]
    details: Mapped[list[str]]
    pid: Mapped[int | None]
    pid_started: Mapped[float | None]
    stop_requested: Mapped[bool]
    heartbeat_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
