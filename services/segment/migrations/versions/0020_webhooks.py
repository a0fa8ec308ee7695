"""Who is told of entries and exits by HTTP, and what is on its way to them.

Revision: 0020, follows 0019.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "segment"
INSTANT = sa.DateTime(timezone=True)
NONE, NOW = sa.text("0"), sa.text("now()")
LIVING, DEAD = sa.text("died_at IS NULL"), sa.text("died_at IS NOT NULL")


def upgrade() -> None:
    webhooks()
    deliveries()


def downgrade() -> None:
    op.drop_table("webhook_delivery", schema=SCHEMA)
    op.drop_table("webhook", schema=SCHEMA)


def webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("segment_ids", postgresql.ARRAY(sa.UUID())),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text()),
        sa.Column("former_until", INSTANT),
        sa.Column("failures", sa.Integer(), server_default=NONE, nullable=False),
        sa.Column("paused_until", INSTANT),
        sa.Column("succeeded_at", INSTANT),
        sa.Column("failed_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "webhook_id", name=op.f("pk_webhook")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_webhook_workspace_url"),
        "webhook",
        ["workspace", "url"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("archived_at IS NULL"),
    )


def deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("try_at", INSTANT, server_default=NOW, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=NONE, nullable=False),
        sa.Column("holder", sa.UUID()),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("died_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_webhook_delivery")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    for name, columns, condition in (
        ("workspace_webhook_id_try_at", ["workspace", "webhook_id", "try_at"], LIVING),
        (
            "workspace_webhook_id_profile_id_number",
            ["workspace", "webhook_id", "profile_id", "number"],
            LIVING,
        ),
        ("dead", ["workspace", "webhook_id", "created_at"], DEAD),
        ("workspace_profile_id", ["workspace", "profile_id"], None),
    ):
        op.create_index(
            op.f(f"ix_webhook_delivery_{name}"),
            "webhook_delivery",
            columns,
            schema=SCHEMA,
            postgresql_where=condition,
        )
