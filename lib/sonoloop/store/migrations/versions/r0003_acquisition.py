"""Acquisition scores and embeddings of the pool, and the queues of the strategies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCORES = ("entropy", "bald", "margin", "lesion_share", "predicted_class")


def upgrade() -> None:
    """Make the tables of scores and of queues."""
    op.create_table(
        "acquisition",
        sa.Column("image", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.String(length=300), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=True) for name in SCORES),
        sa.Column("embedding", sa.LargeBinary(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_acquisition_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image", "model", name="pk_acquisition"),
    )
    op.create_index("ix_acquisition_model", "acquisition", ["model", "image"])
    op.create_table(
        "acquisition_queue",
        sa.Column("strategy", sa.String(length=32), nullable=False),
        sa.Column("rank", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=300), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_acquisition_queue_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("strategy", "rank", name="pk_acquisition_queue"),
    )
    op.create_index("ix_acquisition_queue_image", "acquisition_queue", ["image"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("acquisition_queue")
    op.drop_table("acquisition")
