"""What has a time, and the limits of cases that have passed.

Revision: 0007, follows 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
# The clocks of open cases, as the service itself sets them with each step.
CLOCKS = """
INSERT INTO feedback.due (workspace, kind, key, at, try_at)
SELECT workspace, 'case_acknowledge', case_id::text, acknowledge_due_at,
  greatest(acknowledge_due_at, now())
FROM feedback.complaint WHERE state IN ('received', 'reopened')
UNION ALL
SELECT workspace, 'case_resolve', case_id::text, due_at, greatest(due_at, now())
FROM feedback.complaint WHERE state <> 'closed'
"""
LANES = "INSERT INTO feedback.due_lane SELECT DISTINCT workspace, kind FROM feedback.due"


def upgrade() -> None:
    due_tables()
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "case_breach",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("due_at", instant, nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            ["feedback.complaint.workspace", "feedback.complaint.case_id"],
            name=op.f("fk_case_breach_workspace_complaint"),
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "case_id", "clock", "due_at", name=op.f("pk_case_breach")
        ),
        schema=SCHEMA,
    )
    op.execute(CLOCKS)
    op.execute(LANES)


def downgrade() -> None:
    for table in ("case_breach", "due_lane", "due"):
        op.drop_table(table, schema=SCHEMA)


def due_tables() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "due",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("try_at", instant, nullable=False),
        sa.Column(
            "payload",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("traceparent", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("failed_at", instant),
        sa.PrimaryKeyConstraint("workspace", "kind", "key", name=op.f("pk_due")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    for column, condition in (
        ("try_at", "failed_at IS NULL"),
        ("failed_at", "failed_at IS NOT NULL"),
    ):
        op.create_index(
            op.f(f"ix_due_workspace_kind_{column}"),
            "due",
            ["workspace", "kind", column],
            schema=SCHEMA,
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "due_lane",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", name=op.f("pk_due_lane")),
        schema=SCHEMA,
    )
