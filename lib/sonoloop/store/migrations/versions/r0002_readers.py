"""Many readers: leases, assignments, reviews, skips."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Columns = tuple[tuple[str, sa.types.TypeEngine[Any], sa.sql.expression.ColumnElement[Any]], ...]

IMAGE_COLUMNS: Columns = (
    ("readers_wanted", sa.Integer(), sa.literal(1)),
    ("readers_done", sa.Integer(), sa.literal(0)),
    ("reserved", sa.Boolean(), sa.false()),
)
ANNOTATION_COLUMNS: Columns = (
    ("state", sa.String(length=16), sa.literal("submitted")),
    ("adjudicates", sa.Boolean(), sa.false()),
    ("in_force", sa.Boolean(), sa.false()),
)

NEWEST_OF_READER = """
UPDATE annotations SET in_force = true
WHERE withdrawn_at IS NULL AND revision = (
    SELECT max(other.revision) FROM annotations AS other
    WHERE other.image = annotations.image AND other.tag = annotations.tag
    AND other.reader = annotations.reader AND other.withdrawn_at IS NULL
)
"""
READERS_DONE = """
UPDATE images SET readers_done = (
    SELECT count(DISTINCT annotations.reader) FROM annotations
    WHERE annotations.image = images.id AND annotations.tag = 'final' AND annotations.in_force
)
WHERE labelled
"""


def upgrade() -> None:
    """Make the tables; what was annotated before counts as submitted, one reader an image."""
    for name, kind, default in IMAGE_COLUMNS:
        op.add_column("images", sa.Column(name, kind, nullable=False, server_default=default))
    for name, kind, default in ANNOTATION_COLUMNS:
        op.add_column("annotations", sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("annotations", sa.Column("base_revision", sa.Integer(), nullable=True))
    op.create_index("ix_annotations_reader", "annotations", ["reader", "image", "in_force"])
    op.execute(NEWEST_OF_READER)
    op.execute(READERS_DONE)
    _make_leases_and_assignments()
    _make_reviews_and_skips()


def _make_leases_and_assignments() -> None:
    op.create_table(
        "leases",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_leases_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image", name="pk_leases"),
    )
    op.create_index("ix_leases_reader", "leases", ["reader"])
    op.create_table(
        "assignments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_assignments_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
        sa.UniqueConstraint("image", "reader", name="uq_assignments_image_reader"),
    )
    op.create_index("ix_assignments_reader", "assignments", ["reader", "image"])


def _make_reviews_and_skips() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("annotation", sa.Integer(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation"], ["annotations.id"], name="fk_reviews_annotation", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_annotation", "reviews", ["annotation"])
    op.create_table(
        "skips",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_skips_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_skips"),
    )
    op.create_index("ix_skips_image", "skips", ["image"])
    op.create_index("ix_skips_reader", "skips", ["reader", "image"])


def downgrade() -> None:
    """Drop the tables and the columns."""
    for table in ("skips", "reviews", "assignments", "leases"):
        op.drop_table(table)
    op.drop_index("ix_annotations_reader", table_name="annotations")
    for name in ("state", "adjudicates", "in_force", "base_revision"):
        op.drop_column("annotations", name)
    for name in ("readers_wanted", "readers_done", "reserved"):
        op.drop_column("images", name)
