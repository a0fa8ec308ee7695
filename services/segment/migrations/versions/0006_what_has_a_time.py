"""What has a time: definitions are told again by it.

Revision: 0006, follows 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "segment"
# Each workspace with definitions: what nobody was told of is told at once.
TELLING = """
INSERT INTO segment.due (workspace, kind, key, at, try_at)
SELECT DISTINCT workspace, 'tell', 'definitions', now(), now() FROM segment.definition
"""
LANES = "INSERT INTO segment.due_lane SELECT workspace, kind FROM segment.due"


def upgrade() -> None:
    due_tables()
    op.execute(TELLING)
    op.execute(LANES)


def downgrade() -> None:
    op.drop_table("due_lane", schema=SCHEMA)
    op.drop_table("due", schema=SCHEMA)


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
