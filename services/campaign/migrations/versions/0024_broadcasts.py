"""Broadcasts, their runs, what was done to them, and what dry runs have found.

Revision: 0024, follows 0023.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)
ID = postgresql.UUID(as_uuid=False)
OPEN = "state IN ('planning', 'sending', 'paused')"
ADDED = (
    ("campaign", "broadcast_id", ID),
    ("campaign", "joins_until", INSTANT),
    ("plan", "late_at", INSTANT),
    ("sending", "late_at", INSTANT),
    ("policy", "broadcast_approval_above", sa.Integer()),
)


def upgrade() -> None:
    for table, name, kind in ADDED:
        op.add_column(table, sa.Column(name, kind), schema=SCHEMA)
    op.create_index(
        op.f("ix_entry_workspace_profile_id"), "entry", ["workspace", "profile_id"], schema=SCHEMA
    )
    _broadcast()
    _run()
    op.create_table(
        "broadcast_pace",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("free_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "run_id", name=op.f("pk_broadcast_pace")),
        schema=SCHEMA,
    )
    op.create_table(
        "broadcast_act",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("broadcast_id", ID, nullable=False),
        sa.Column("act_id", ID, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "broadcast_id", "act_id", name=op.f("pk_broadcast_act")
        ),
        schema=SCHEMA,
    )
    _answer()


def downgrade() -> None:
    for table in ("answer", "act", "pace", "run"):
        op.drop_table(f"broadcast_{table}", schema=SCHEMA)
    op.drop_table("broadcast", schema=SCHEMA)
    op.drop_index(op.f("ix_entry_workspace_profile_id"), "entry", schema=SCHEMA)
    # Who knows no broadcasts takes what they say for campaigns of its own: they have ended.
    op.execute("DELETE FROM campaign.campaign WHERE broadcast_id IS NOT NULL AND state = 'draft'")
    op.execute("UPDATE campaign.campaign SET state = 'archived' WHERE broadcast_id IS NOT NULL")
    for table, name, _ in ADDED:
        op.drop_column(table, name, schema=SCHEMA)


def _broadcast() -> None:
    op.create_table(
        "broadcast",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("broadcast_id", ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("throttle", sa.JSON()),
        sa.Column("lateness_seconds", sa.Integer(), nullable=False),
        sa.Column("joins_until", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("edited_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text()),
        sa.Column("next_at", INSTANT),
        sa.Column("reason", sa.Text()),
        sa.Column("runs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'awaiting_approval', 'scheduled', 'planning', 'sending', "
            "'paused', 'done', 'cancelled', 'failed')",
            name=op.f("ck_broadcast_state"),
        ),
        sa.PrimaryKeyConstraint("workspace", "broadcast_id", name=op.f("pk_broadcast")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_broadcast_created",
        "broadcast",
        ["workspace", "created_at", "broadcast_id"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_broadcast_next",
        "broadcast",
        ["next_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'scheduled'"),
    )


def _run() -> None:
    op.create_table(
        "broadcast_run",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("run_id", ID, nullable=False),
        sa.Column("broadcast_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("again", ID),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("job", sa.Text()),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("position", sa.JSON(), nullable=False),
        sa.Column("slots", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "state IN ('planning', 'sending', 'paused', 'done', 'cancelled', 'failed')",
            name=op.f("ck_broadcast_run_state"),
        ),
        sa.ForeignKeyConstraint(
            ["workspace", "broadcast_id"],
            ["campaign.broadcast.workspace", "campaign.broadcast.broadcast_id"],
            name=op.f("fk_broadcast_run_workspace_broadcast_id_broadcast"),
        ),
        sa.PrimaryKeyConstraint("workspace", "run_id", name=op.f("pk_broadcast_run")),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_broadcast_run_number",
        "broadcast_run",
        ["workspace", "broadcast_id", "number"],
        unique=True,
        schema=SCHEMA,
    )
    op.create_index(
        "ix_broadcast_run_open",
        "broadcast_run",
        ["state"],
        schema=SCHEMA,
        postgresql_where=sa.text(OPEN),
    )


def _answer() -> None:
    op.create_table(
        "broadcast_answer",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("address", sa.LargeBinary()),
        sa.Column("at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('gets', 'waits', 'never')", name=op.f("ck_broadcast_answer_outcome")
        ),
        sa.PrimaryKeyConstraint(
            "workspace", "job_id", "profile_id", name=op.f("pk_broadcast_answer")
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_broadcast_answer_address",
        "broadcast_answer",
        ["workspace", "job_id", "address"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_broadcast_answer_at", "broadcast_answer", ["at"], schema=SCHEMA, postgresql_using="brin"
    )
    op.create_index(
        op.f("ix_broadcast_answer_workspace_profile_id"),
        "broadcast_answer",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )
