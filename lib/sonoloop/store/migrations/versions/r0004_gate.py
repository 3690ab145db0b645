"""Locked validation patients, gate results, publications."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WHAT_SERVES = """
INSERT INTO publications (task, model, replaced, kind, actor, reason, gate, created_at)
SELECT task, model, NULL, 'shipped', 'sonoloop', 'served before publications were recorded', NULL,
published_at FROM serving
"""


def upgrade() -> None:
    """Make the tables; what serves now becomes the first publication."""
    op.add_column("models", sa.Column("weights_sha256", sa.String(length=64), nullable=True))
    op.add_column("serving", sa.Column("pinned_by", sa.Text(), nullable=True))
    op.add_column("serving", sa.Column("pinned_reason", sa.Text(), nullable=True))
    op.add_column("serving", sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "locked_places",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_locked_places"),
    )
    _make_gates()
    _make_publications()
    op.execute(WHAT_SERVES)


def _make_gates() -> None:
    op.create_table(
        "gates",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("against", sa.Integer(), nullable=True),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("suspects", sa.JSON(), nullable=False),
        sa.Column("debt", sa.Double(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name="fk_gates_model"),
        sa.ForeignKeyConstraint(["against"], ["models.id"], name="fk_gates_against"),
        sa.PrimaryKeyConstraint("id", name="pk_gates"),
    )
    op.create_index("ix_gates_task", "gates", ["task", "id"])
    op.create_index("ix_gates_model", "gates", ["model", "id"])
    op.create_table(
        "gate_cases",
        sa.Column("gate", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("image_id", sa.String(length=128), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("label_key", sa.String(length=64), nullable=False),
        sa.Column("measure", sa.String(length=16), nullable=False),
        sa.Column("candidate", sa.Double(), nullable=False),
        sa.Column("serving", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["gate"], ["gates.id"], name="fk_gate_cases_gate", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("gate", "image_id", name="pk_gate_cases"),
    )


def _make_publications() -> None:
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(length=16), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("replaced", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("gate", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.id"], name="fk_publications_model"),
        sa.ForeignKeyConstraint(["replaced"], ["models.id"], name="fk_publications_replaced"),
        sa.ForeignKeyConstraint(["gate"], ["gates.id"], name="fk_publications_gate"),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
    )
    op.create_index("ix_publications_task", "publications", ["task", "id"])


def downgrade() -> None:
    """Drop the tables and the columns."""
    for table in ("publications", "gate_cases", "gates", "locked_places"):
        op.drop_table(table)
    for name in ("pinned_by", "pinned_reason", "pinned_at"):
        op.drop_column("serving", name)
    op.drop_column("models", "weights_sha256")
