"""Webhooks as all services keep them: what they want as JSON, and what orders their posts by name.

Revision: 0031, follows 0030.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INDEX = "ix_webhook_post_workspace_webhook_id_{}_number"
OF_IT = ["workspace", "webhook_id"]


def upgrade() -> None:
    op.add_column("webhook", sa.Column("wants", postgresql.JSONB()), schema=SCHEMA)
    op.execute(
        "UPDATE campaign.webhook SET wants = jsonb_build_object('events', events, 'scope', scope)"
    )
    op.alter_column("webhook", "wants", nullable=False, schema=SCHEMA)
    # The check on the scope goes with it.
    op.drop_column("webhook", "events", schema=SCHEMA)
    op.drop_column("webhook", "scope", schema=SCHEMA)
    op.alter_column("webhook_post", "send_key", new_column_name="subject", schema=SCHEMA)
    _rename(INDEX.format("send_key"), INDEX.format("subject"))
    _dead([*OF_IT, "created_at", "post_id"])


def downgrade() -> None:
    op.add_column("webhook", sa.Column("events", postgresql.ARRAY(sa.Text())), schema=SCHEMA)
    op.add_column("webhook", sa.Column("scope", sa.Text()), schema=SCHEMA)
    op.execute(
        "UPDATE campaign.webhook SET scope = wants->>'scope', "
        "events = ARRAY(SELECT jsonb_array_elements_text(wants->'events'))"
    )
    for name in ("events", "scope"):
        op.alter_column("webhook", name, nullable=False, schema=SCHEMA)
    op.create_check_constraint(
        op.f("ck_webhook_scope"), "webhook", "scope IN ('transactional', 'all')", schema=SCHEMA
    )
    op.drop_column("webhook", "wants", schema=SCHEMA)
    op.alter_column("webhook_post", "subject", new_column_name="send_key", schema=SCHEMA)
    _rename(INDEX.format("subject"), INDEX.format("send_key"))
    _dead(OF_IT)


def _rename(old: str, new: str) -> None:
    op.execute(f"ALTER INDEX campaign.{old} RENAME TO {new}")


def _dead(columns: list[str]) -> None:
    """The index of what was given up, by other columns."""
    op.drop_index("ix_webhook_post_dead", table_name="webhook_post", schema=SCHEMA)
    op.create_index(
        "ix_webhook_post_dead",
        "webhook_post",
        columns,
        schema=SCHEMA,
        postgresql_where=sa.text("dead"),
    )
