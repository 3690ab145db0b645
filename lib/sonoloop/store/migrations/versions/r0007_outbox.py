"""The outbox of documents for the archive."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; what was annotated before is not sent."""
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("annotation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_outbox_image", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["annotation"], ["annotations.id"], name="fk_outbox_annotation", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("annotation", name="uq_outbox_annotation"),
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "next_attempt_at"], unique=False)
    op.create_index("ix_outbox_image", "outbox", ["image", "id"], unique=False)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("outbox")
