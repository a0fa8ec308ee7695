"""Anonymous answers are told of in batches; webhooks and their posts.

Revision: 0020, follows 0015.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)
ID = postgresql.UUID(as_uuid=True)
ZERO, NO, YES, NOW = sa.text("0"), sa.text("false"), sa.text("true"), sa.text("now()")
LIVING = sa.text("ended_at IS NULL")
# Those that have four others beside them stay as they are told; the others wait for more.
_HOLD = """
UPDATE feedback.response r SET released = false WHERE anonymous AND (
    SELECT count(*) FROM feedback.response o WHERE o.workspace = r.workspace
    AND o.survey_id = r.survey_id AND o.wave = r.wave AND o.context = r.context AND o.anonymous
    AND o.score IS NOT NULL AND o.state IN ('open', 'complete')) < 5
"""


def upgrade() -> None:
    released: sa.Column[bool] = sa.Column(
        "released", sa.Boolean(), nullable=False, server_default=YES
    )
    op.add_column("response", released, schema=SCHEMA)
    op.execute(_HOLD)
    _index("response", ["workspace", "survey_id", "response_id"])
    op.create_index(
        "ix_response_held",
        "response",
        ["workspace", "survey_id", "wave"],
        schema=SCHEMA,
        postgresql_where=sa.text("NOT released"),
    )
    _webhooks()
    _posts()


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("wants", postgresql.JSONB(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=YES),
        sa.Column("reason", sa.Text()),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text()),
        sa.Column("former_until", INSTANT),
        sa.Column("failures", sa.Integer(), nullable=False, server_default=ZERO),
        *(sa.Column(name, INSTANT) for name in ("failing_since", "paused_until")),
        *(sa.Column(name, INSTANT) for name in ("succeeded_at", "failed_at")),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "webhook_id", name=op.f("pk_webhook")),
        schema=SCHEMA,
    )
    _index("webhook", ["workspace", "url"], sa.text("archived_at IS NULL"), unique=True)


def _posts() -> None:
    op.create_table(
        "webhook_post",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("post_id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
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
    of_it = ["workspace", "webhook_id"]
    _index("webhook_post", [*of_it, "try_at"], LIVING)
    _index("webhook_post", [*of_it, "subject", "number"], LIVING)
    _index("webhook_post", [*of_it, "created_at", "post_id"])
    aged = [*of_it, "created_at", "post_id"]
    _index("webhook_post", aged, sa.text("dead"), name="ix_webhook_post_dead")
    ended = sa.text("ended_at IS NOT NULL")
    _index("webhook_post", ["ended_at"], ended, name="ix_webhook_post_ended")
    _index("webhook_post", ["workspace", "profile_id"])


def _index(
    table: str,
    columns: list[str],
    where: sa.TextClause | None = None,
    *,
    unique: bool = False,
    name: str = "",
) -> None:
    name = name or op.f(f"ix_{table}_{'_'.join(columns)}")
    op.create_index(name, table, columns, unique=unique, schema=SCHEMA, postgresql_where=where)


def downgrade() -> None:
    for table in ("webhook_post", "webhook"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_index("ix_response_held", "response", schema=SCHEMA)
    op.drop_index(op.f("ix_response_workspace_survey_id_response_id"), "response", schema=SCHEMA)
    op.drop_column("response", "released", schema=SCHEMA)
