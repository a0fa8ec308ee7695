"""What waits, what is being sent and what has ended are apart; the ledger is kept by months.

Takes some ten seconds per million messages, while campaign stands, and room for them twice.
Revision: 0019, follows 0018.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
AHEAD = 3
MOST = 120
"""Months before this one that have a part of their own; what is older shares the first."""
FIXED = (
    "workspace, send_key, planned_at, kind, purpose, campaign_id, occasion, step, channel, "
    "profile_id, to_address, reason, attempt, traceparent"
)
# As `domain.model.send_key` makes them.
KEY = "encode(sha256(convert_to(concat({parts}), 'UTF8')), 'hex')".format(
    parts=", ".join(
        f"length({part}), ':', {part}"
        for part in (
            "workspace",
            "coalesce(campaign_id::text, kind)",
            "occasion",
            "step",
            "channel",
        )
    )
)
VIEW = f"""
CREATE VIEW campaign.every_message AS
SELECT {FIXED}, 'planned' AS state, due_at, NULL::timestamptz AS lease_until, NULL::uuid AS token,
  NULL::timestamptz AS sent_at, NULL::timestamptz AS opened_at, NULL::timestamptz AS clicked_at
FROM campaign.plan
UNION ALL
SELECT {FIXED}, 'sending', NULL, lease_until, token, NULL, opened_at, clicked_at
FROM campaign.sending
UNION ALL
SELECT {FIXED}, state, NULL, NULL, token, sent_at, opened_at, clicked_at
FROM campaign.message
"""


def upgrade() -> None:
    _set_aside()
    _send()
    _plan()
    _sending()
    _ledger()
    _totals()
    op.execute(
        "INSERT INTO campaign.send SELECT workspace, send_key, planned_at FROM campaign.former"
    )
    # An entry or a request is told again under its key of now.
    op.execute(
        f"INSERT INTO campaign.send SELECT workspace, {KEY}, planned_at FROM campaign.former "
        "WHERE kind IN ('entry', 'request') ON CONFLICT DO NOTHING"
    )
    op.execute(
        f"INSERT INTO campaign.plan ({FIXED}, queue, needed_version, waits, due_at) "
        f"SELECT {FIXED}, queue, needed_version, waits, next_attempt_at FROM campaign.former "
        "WHERE state = 'planned'"
    )
    op.execute(
        f"INSERT INTO campaign.sending ({FIXED}, queue, needed_version, waits, token, "
        f"lease_until, opened_at, clicked_at) SELECT {FIXED}, queue, needed_version, waits, token, "
        "lease_until, opened_at, clicked_at FROM campaign.former WHERE state = 'sending'"
    )
    op.execute(
        f"INSERT INTO campaign.message ({FIXED}, state, token, sent_at, opened_at, clicked_at) "
        f"SELECT {FIXED}, state, CASE WHEN state = 'uncertain' THEN token END, sent_at, "
        "opened_at, clicked_at FROM campaign.former WHERE state NOT IN ('planned', 'sending')"
    )
    op.execute(
        "INSERT INTO campaign.message_total SELECT workspace, coalesce(campaign_id::text, ''), "
        "kind, state, 0, count(*) FROM campaign.former GROUP BY 1, 2, 3, 4"
    )
    op.drop_table("former", schema=SCHEMA)
    op.execute(VIEW)


def downgrade() -> None:
    op.execute("DROP VIEW campaign.every_message")
    op.execute("ALTER TABLE campaign.message RENAME TO ledger")
    op.execute("ALTER TABLE campaign.ledger RENAME CONSTRAINT pk_message TO pk_ledger")
    for name in ("campaign", "workspace_profile_id", "uncertain"):
        op.execute(f"ALTER INDEX campaign.ix_message_{name} RENAME TO ix_ledger_{name}")
    _former()
    columns = f"{FIXED}, queue, needed_version, waits, state, next_attempt_at"
    op.execute(
        f"INSERT INTO campaign.message ({columns}) SELECT {FIXED}, queue, needed_version, waits, "
        "'planned', due_at FROM campaign.plan"
    )
    op.execute(
        f"INSERT INTO campaign.message ({columns}, token, lease_until, opened_at, clicked_at) "
        f"SELECT {FIXED}, queue, needed_version, waits, 'sending', planned_at, token, lease_until, "
        "opened_at, clicked_at FROM campaign.sending"
    )
    op.execute(
        f"INSERT INTO campaign.message ({columns}, token, sent_at, opened_at, clicked_at) "
        f"SELECT {FIXED}, CASE WHEN kind = 'entry' THEN coalesce(campaign_id::text, '') "
        "ELSE '' END, 0, 0, state, planned_at, token, sent_at, opened_at, clicked_at "
        "FROM campaign.ledger"
    )
    for table in ("message_total", "ledger", "sending", "plan", "send"):
        op.drop_table(table, schema=SCHEMA)


def _set_aside() -> None:
    """Give the table of before another name; nobody writes to it before this is done."""
    op.rename_table("message", "former", schema=SCHEMA)
    op.execute("ALTER TABLE campaign.former RENAME CONSTRAINT pk_message TO pk_former")
    for name in (
        "uq_message_occasion",
        "ix_message_next",
        "ix_message_lease",
        "ix_message_campaign",
        "ix_message_workspace_profile_id",
        "ix_message_uncertain",
    ):
        op.drop_index(name, table_name="former", schema=SCHEMA)


def _what() -> list[sa.Column[object]]:
    return [
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("planned_at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("campaign_id", sa.UUID(as_uuid=False)),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("to_address", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("traceparent", sa.Text()),
    ]


def _way() -> list[sa.Column[object]]:
    return [
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("needed_version", sa.BigInteger(), nullable=False),
        sa.Column("waits", sa.Integer(), nullable=False, server_default=sa.text("0")),
    ]


def _send() -> None:
    op.create_table(
        "send",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("send_key", sa.Text(), nullable=False),
        sa.Column("planned_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_send"),
        schema=SCHEMA,
    )


def _plan() -> None:
    op.create_table(
        "plan",
        *_what(),
        *_way(),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_plan"),
        schema=SCHEMA,
    )
    op.create_index("ix_plan_next", "plan", ["queue", "workspace", "due_at"], schema=SCHEMA)
    op.create_index(
        op.f("ix_plan_workspace_profile_id"), "plan", ["workspace", "profile_id"], schema=SCHEMA
    )
    _often_vacuumed("plan")


def _sending() -> None:
    op.create_table(
        "sending",
        *_what(),
        *_way(),
        sa.Column("token", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("opened_at", INSTANT),
        sa.Column("clicked_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_sending"),
        schema=SCHEMA,
    )
    op.create_index("ix_sending_lease", "sending", ["lease_until"], schema=SCHEMA)
    _often_vacuumed("sending")


def _often_vacuumed(table: str) -> None:
    """Rows go as soon as they are claimed: what has gone is cleared away before it is passed by."""
    op.execute(
        f"ALTER TABLE campaign.{table} SET (autovacuum_vacuum_scale_factor = 0.02, "
        "autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0)"
    )


def _ledger() -> None:
    op.create_table(
        "message",
        *_what(),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("token", sa.UUID(as_uuid=False)),
        sa.Column("sent_at", INSTANT),
        sa.Column("opened_at", INSTANT),
        sa.Column("clicked_at", INSTANT),
        sa.CheckConstraint(
            "state IN ('sent', 'failed', 'suppressed', 'uncertain')", name="ck_message_state"
        ),
        sa.PrimaryKeyConstraint("workspace", "send_key", "planned_at", name="pk_message"),
        schema=SCHEMA,
        postgresql_partition_by="RANGE (planned_at)",
    )
    op.create_index(
        "ix_message_campaign",
        "message",
        ["workspace", "campaign_id", "planned_at", "send_key"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_message_workspace_profile_id"),
        "message",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_message_uncertain",
        "message",
        ["planned_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'uncertain'"),
    )
    _months()


def _months() -> None:
    bind = op.get_bind()
    now = bind.execute(sa.text("SELECT now()")).scalar_one().astimezone(UTC)
    this = now.year * 12 + now.month - 1
    oldest = bind.execute(sa.text("SELECT min(planned_at) FROM campaign.former")).scalar() or now
    oldest = oldest.astimezone(UTC)
    first = min(this, max(this - MOST, oldest.year * 12 + oldest.month - 1))
    last = this + AHEAD
    _part("early", f"FROM (MINVALUE) TO ('{_start(first)}')")
    for month in range(first, last + 1):
        bounds = f"FROM ('{_start(month)}') TO ('{_start(month + 1)}')"
        _part(f"{month // 12:04}_{month % 12 + 1:02}", bounds)
    _part("late", f"FROM ('{_start(last + 1)}') TO (MAXVALUE)")


def _part(name: str, bounds: str) -> None:
    op.execute(
        f"CREATE TABLE campaign.message_{name} PARTITION OF campaign.message FOR VALUES {bounds}"
    )


def _start(month: int) -> str:
    """The first instant of a month, counted from the year 0."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).isoformat()


def _totals() -> None:
    op.create_table(
        "message_total",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "campaign", "kind", "state", "shard", name="pk_message_total"
        ),
        schema=SCHEMA,
    )


def _former() -> None:
    """The one table of before."""
    op.create_table(
        "message",
        *_what(),
        *_way(),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_attempt_at", INSTANT, nullable=False),
        sa.Column("token", sa.UUID(as_uuid=False)),
        sa.Column("lease_until", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("opened_at", INSTANT),
        sa.Column("clicked_at", INSTANT),
        sa.CheckConstraint(
            "state IN ('planned', 'sending', 'sent', 'failed', 'suppressed', 'uncertain')",
            name="ck_message_state",
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "campaign_id"],
            ["campaign.campaign.workspace", "campaign.campaign.campaign_id"],
            name="fk_message_workspace_campaign_id_campaign",
        ),
        sa.PrimaryKeyConstraint("workspace", "send_key", name="pk_message"),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_message_occasion",
        "message",
        ["workspace", "campaign_id", "occasion", "step", "channel"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("kind IN ('entry', 'request')"),
        postgresql_nulls_not_distinct=True,
    )
    op.create_index(
        "ix_message_next",
        "message",
        ["queue", "workspace", "next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'planned'"),
    )
    op.create_index(
        "ix_message_lease",
        "message",
        ["lease_until"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_index(
        "ix_message_campaign",
        "message",
        ["workspace", "campaign_id", "planned_at", "send_key"],
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_message_workspace_profile_id"),
        "message",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_message_uncertain",
        "message",
        ["planned_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'uncertain'"),
    )
