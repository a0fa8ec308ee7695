"""Webhooks of outcomes and their posts; looks again at sender domains; tasks of staff.

Revision: 0025, follows 0024.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
ID = postgresql.UUID(as_uuid=True)
ZERO, NO, NOW = sa.text("0"), sa.text("false"), sa.text("now()")
LIVING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    _webhooks()
    _posts()
    misses = sa.Column("misses", sa.Integer(), nullable=False, server_default=ZERO)
    _tasks()
    op.add_column("sender_domain", misses, schema=SCHEMA)
    op.add_column("sender_domain", sa.Column("next_look_at", INSTANT), schema=SCHEMA)


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("reason", sa.Text()),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text()),
        sa.Column("former_until", INSTANT),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("failing_since", INSTANT),
        sa.Column("paused_until", INSTANT),
        sa.Column("succeeded_at", INSTANT),
        sa.Column("failed_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.CheckConstraint("scope IN ('transactional', 'all')", name=op.f("ck_webhook_scope")),
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


def _posts() -> None:
    op.create_table(
        "webhook_post",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("try_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("tried_at", INSTANT),
        sa.Column("holder", ID),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("ended_at", INSTANT),
        sa.Column("dead", sa.Boolean(), nullable=False, server_default=NO),
        sa.PrimaryKeyConstraint("workspace", "post_id", name=op.f("pk_webhook_post")),
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    _indexes()


def _tasks() -> None:
    texts = ("send_key", "channel", "purpose", "profile_id")
    more = ("point", "queue", "title", "script", "url")
    op.create_table(
        "task",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("task_id", ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("campaign_id", postgresql.UUID(as_uuid=False)),
        *(sa.Column(name, sa.Text(), nullable=False) for name in more),
        *(
            sa.Column(name, INSTANT, nullable=False)
            for name in ("created_at", "due_at", "expires_at")
        ),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'open'")),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("holder", sa.Text()),
        sa.Column("lease_until", INSTANT),
        sa.Column("outcome", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended_by", sa.Text()),
        sa.CheckConstraint("state IN ('open', 'done', 'withdrawn')", name=op.f("ck_task_state")),
        sa.CheckConstraint("channel IN ('phone', 'store')", name=op.f("ck_task_channel")),
        sa.PrimaryKeyConstraint("workspace", "task_id", name=op.f("pk_task")),
        schema=SCHEMA,
    )
    due, is_open = ["workspace", "due_at", "task_id"], sa.text("state = 'open'")
    op.create_index("ix_task_due", "task", due, schema=SCHEMA, postgresql_where=is_open)
    for columns in (["workspace", "created_at", "task_id"], ["workspace", "profile_id"]):
        op.create_index(op.f(f"ix_task_{'_'.join(columns)}"), "task", columns, schema=SCHEMA)
    op.create_index(op.f("ix_task_expires_at"), "task", ["expires_at"], schema=SCHEMA)


def _indexes() -> None:
    of_it = ["workspace", "webhook_id"]
    for name, columns, where in [
        ("ix_webhook_post_workspace_webhook_id_try_at", [*of_it, "try_at"], LIVING),
        (
            "ix_webhook_post_workspace_webhook_id_send_key_number",
            [*of_it, "send_key", "number"],
            LIVING,
        ),
        (
            "ix_webhook_post_workspace_webhook_id_created_at_post_id",
            [*of_it, "created_at", "post_id"],
            None,
        ),
        ("ix_webhook_post_dead", of_it, sa.text("dead")),
        ("ix_webhook_post_ended", ["ended_at"], sa.text("ended_at IS NOT NULL")),
        ("ix_webhook_post_workspace_profile_id", ["workspace", "profile_id"], None),
    ]:
        op.create_index(op.f(name), "webhook_post", columns, schema=SCHEMA, postgresql_where=where)


def downgrade() -> None:
    op.drop_table("task", schema=SCHEMA)
    op.drop_column("sender_domain", "next_look_at", schema=SCHEMA)
    op.drop_column("sender_domain", "misses", schema=SCHEMA)
    op.drop_table("webhook_post", schema=SCHEMA)
    op.drop_table("webhook", schema=SCHEMA)
