"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("frame", sa.Integer(), nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("row_spacing_mm", sa.Double(), nullable=True),
        sa.Column("column_spacing_mm", sa.Double(), nullable=True),
        sa.Column("patient_id", sa.Text(), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("study_date", sa.String(length=16), nullable=True),
        sa.Column("near_duplicates", sa.Text(), nullable=True),
        sa.Column("split", sa.Text(), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("file_mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("info", sa.JSON(), nullable=False),
        sa.Column("random_key", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("labelled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_images"),
        sa.UniqueConstraint("image_id", name="uq_images_image_id"),
    )
    op.create_index("ix_images_patient_id", "images", ["patient_id"], unique=False)
    op.create_index(
        "ix_images_pool_oldest", "images", ["labelled", "available", "id"], unique=False
    )
    op.create_index(
        "ix_images_pool_random", "images", ["labelled", "available", "random_key"], unique=False
    )
    op.create_index(
        "ix_images_series_instance_uid", "images", ["series_instance_uid"], unique=False
    )
    op.create_index("ix_images_sop_instance_uid", "images", ["sop_instance_uid"], unique=False)
    op.create_index("ix_images_source_locator", "images", ["source", "locator"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_started", sa.Double(), nullable=True),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("job_id", name="uq_jobs_job_id"),
    )
    op.create_index("ix_jobs_kind_target", "jobs", ["kind", "target", "id"], unique=False)
    op.create_index(
        "uq_jobs_active",
        "jobs",
        ["kind", "target"],
        unique=True,
        sqlite_where=sa.text("status IN ('SUBMITTED', 'RUNNING')"),
        postgresql_where=sa.text("status IN ('SUBMITTED', 'RUNNING')"),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(length=128), nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
        sa.UniqueConstraint("model_id", name="uq_models_model_id"),
    )
    op.create_index("ix_models_task", "models", ["task"], unique=False)
    op.create_table(
        "refusals",
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=False),
        sa.Column("file_mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("locator", name="pk_refusals"),
    )
    op.create_table(
        "annotations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("mask_path", sa.Text(), nullable=True),
        sa.Column("mask_sha256", sa.String(length=64), nullable=True),
        sa.Column("pathology", sa.String(length=16), nullable=True),
        sa.Column("birads", sa.String(length=4), nullable=True),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("source_model", sa.Text(), nullable=True),
        sa.Column("seconds_spent", sa.Double(), nullable=True),
        sa.Column("info", sa.JSON(), nullable=False),
        sa.Column("import_key", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["image"], ["images.id"], name="fk_annotations_image", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_annotations"),
        sa.UniqueConstraint("image", "tag", "revision", name="uq_annotations_image_tag_revision"),
        sa.UniqueConstraint("import_key", name="uq_annotations_import_key"),
    )
    op.create_table(
        "serving",
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name="fk_serving_model"),
        sa.PrimaryKeyConstraint("task", name="pk_serving"),
    )


def downgrade() -> None:
    """Drop every table."""
    for table in ("serving", "annotations", "refusals", "models", "jobs", "images"):
        op.drop_table(table)
