"""What is doubtful about labels."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of flags and of checks."""
    op.create_table(
        "quality_flags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("annotation", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_quality_flags_image", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["annotation"],
            ["annotations.id"],
            name="fk_quality_flags_annotation",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quality_flags"),
        sa.UniqueConstraint(
            "annotation", "kind", "subject", name="uq_quality_flags_annotation_kind_subject"
        ),
    )
    op.create_index("ix_quality_flags_state", "quality_flags", ["state", "image"], unique=False)
    op.create_index("ix_quality_flags_image", "quality_flags", ["image"], unique=False)
    op.create_table(
        "quality_checks",
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("annotation", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_quality_checks_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image", name="pk_quality_checks"),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("quality_checks")
    op.drop_table("quality_flags")
