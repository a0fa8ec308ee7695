"""Webhooks as all services keep them: what they want as JSON, since when they fail, who was told.

What waits, and what was given up, is kept in its order.

Revision: 0024, follows 0023.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = "segment"
INSTANT = sa.DateTime(timezone=True)
ZERO, NO, NOW = sa.text("0"), sa.text("false"), sa.text("now()")
WAITS, DEAD = sa.text("ended_at IS NULL"), sa.text("dead")
OF_IT = ["workspace", "webhook_id"]


def upgrade() -> None:
    op.add_column("webhook", sa.Column("wants", postgresql.JSONB()), schema=SCHEMA)
    op.add_column("webhook", sa.Column("failing_since", INSTANT), schema=SCHEMA)
    op.execute(
        "UPDATE segment.webhook SET wants = jsonb_build_object('segment_ids', segment_ids), "
        # Since when they have taken nothing is not known: they have days from now.
        "failing_since = CASE WHEN failures > 0 THEN now() END"
    )
    op.alter_column("webhook", "wants", nullable=False, schema=SCHEMA)
    op.drop_column("webhook", "segment_ids", schema=SCHEMA)
    _posts()
    op.execute(
        "INSERT INTO segment.webhook_post (workspace, post_id, webhook_id, subject, profile_id, "
        "body, created_at, try_at, attempts, holder, status, error, ended_at, dead) "
        "SELECT workspace, message_id, webhook_id, CAST(profile_id AS text), "
        "CAST(profile_id AS text), body, created_at, try_at, attempts, holder, status, error, "
        "died_at, died_at IS NOT NULL FROM segment.webhook_delivery ORDER BY number"
    )
    op.drop_table("webhook_delivery", schema=SCHEMA)


def downgrade() -> None:
    op.add_column("webhook", sa.Column("segment_ids", postgresql.ARRAY(sa.UUID())), schema=SCHEMA)
    op.execute(
        "UPDATE segment.webhook SET segment_ids = CAST(ARRAY(SELECT "
        "jsonb_array_elements_text(wants->'segment_ids')) AS uuid[]) "
        "WHERE jsonb_typeof(wants->'segment_ids') = 'array'"
    )
    op.drop_column("webhook", "wants", schema=SCHEMA)
    op.drop_column("webhook", "failing_since", schema=SCHEMA)
    _deliveries()
    op.execute(
        "INSERT INTO segment.webhook_delivery (workspace, message_id, webhook_id, profile_id, "
        "body, created_at, try_at, attempts, holder, status, error, died_at) "
        "SELECT workspace, post_id, webhook_id, CAST(profile_id AS uuid), body, created_at, "
        "try_at, attempts, holder, status, error, ended_at FROM segment.webhook_post "
        "ORDER BY number"
    )
    op.drop_table("webhook_post", schema=SCHEMA)


def _posts() -> None:
    texts = ("subject", "profile_id")
    _table(
        "webhook_post",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("post_id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        *_common(),
        sa.Column("tried_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("dead", sa.Boolean(), nullable=False, server_default=NO),
        sa.PrimaryKeyConstraint("workspace", "post_id", name=op.f("pk_webhook_post")),
    )
    for name, columns, where in (
        ("workspace_webhook_id_try_at", [*OF_IT, "try_at"], WAITS),
        ("workspace_webhook_id_subject_number", [*OF_IT, "subject", "number"], WAITS),
        ("dead", [*OF_IT, "created_at", "post_id"], DEAD),
        ("ended", ["ended_at"], sa.text("ended_at IS NOT NULL")),
        ("workspace_profile_id", ["workspace", "profile_id"], None),
    ):
        _index("webhook_post", name, columns, where)


def _deliveries() -> None:
    _table(
        "webhook_delivery",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("webhook_id", sa.UUID(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        *_common(),
        sa.Column("died_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "message_id", name=op.f("pk_webhook_delivery")),
    )
    living, dead = sa.text("died_at IS NULL"), sa.text("died_at IS NOT NULL")
    for name, columns, where in (
        ("workspace_webhook_id_try_at", [*OF_IT, "try_at"], living),
        ("workspace_webhook_id_profile_id_number", [*OF_IT, "profile_id", "number"], living),
        ("dead", [*OF_IT, "created_at"], dead),
        ("workspace_profile_id", ["workspace", "profile_id"], None),
    ):
        _index("webhook_delivery", name, columns, where)


def _common() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("try_at", INSTANT, nullable=False, server_default=NOW),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=ZERO),
        sa.Column("holder", sa.UUID()),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text()),
    ]


def _table(name: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        *parts,
        schema=SCHEMA,
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.01",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )


def _index(table: str, name: str, columns: list[str], where: sa.TextClause | None) -> None:
    op.create_index(
        op.f(f"ix_{table}_{name}"), table, columns, schema=SCHEMA, postgresql_where=where
    )
