"""Policies of sources, quarantine in place of `rejected`, plans, catalogue, jobs, quotas.

Revision: 0002, follows 0001.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ZERO = sa.text("0")
EMPTY = sa.text("'{}'")
SCHEMA = "ingest"


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False, **options)


def _count(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False, **options)


def _time(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, UTC_TIME, nullable=False, **options)


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint("workspace", *columns, name=op.f(f"pk_{table}"))


def upgrade() -> None:
    op.add_column(
        "source", sa.Column("policy", JSONB(), server_default=EMPTY, nullable=False), schema=SCHEMA
    )
    op.add_column("source", _count("revision", server_default=sa.text("1")), schema=SCHEMA)
    _rejected_becomes_quarantine()
    _counting()
    _governance()
    _work()


def _rejected_becomes_quarantine() -> None:
    op.execute("ALTER TABLE ingest.rejected RENAME TO quarantine")
    op.execute("ALTER INDEX ingest.pk_rejected RENAME TO pk_quarantine")
    op.execute("ALTER INDEX ingest.ix_rejected_received_at RENAME TO ix_quarantine_received_at")
    op.execute(
        "ALTER INDEX ingest.ix_rejected_workspace_message_id "
        "RENAME TO ix_quarantine_workspace_message_id"
    )
    for column in (
        sa.Column("sent_at", UTC_TIME, nullable=True),
        sa.Column("type", sa.Text(), nullable=True),
        _text("dialect", server_default=sa.text("'segment'")),
        sa.Column("truncated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("resolved_at", UTC_TIME, nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=ZERO, nullable=False),
        sa.Column("handled_by", sa.Text(), nullable=True),
    ):
        op.add_column("quarantine", column, schema=SCHEMA)
    op.create_index(op.f("ix_quarantine_resolved_at"), "quarantine", ["resolved_at"], schema=SCHEMA)
    op.add_column("tally_source", _count("expired", server_default=ZERO), schema=SCHEMA)


def _counting() -> None:
    op.create_table(
        "tally_day",
        _text("workspace"),
        _text("source"),
        sa.Column("day", sa.Date(), nullable=False),
        _count("received"),
        _count("accepted"),
        _count("rejected"),
        _key("tally_day", "source", "day"),
        schema=SCHEMA,
    )
    op.create_table(
        "rate_use",
        _text("workspace"),
        _text("source"),
        _text("process"),
        _count("per_second"),
        _time("measured_at", server_default=NOW),
        _key("rate_use", "source", "process"),
        schema=SCHEMA,
    )


def _governance() -> None:
    op.create_table(
        "plan_event",
        _text("workspace"),
        _text("source"),
        _text("type"),
        _text("name"),
        _text("version"),
        sa.Column("schema", JSONB(), nullable=False),
        _time("created_at", server_default=NOW),
        sa.ForeignKeyConstraint(
            ["workspace", "source"],
            ["ingest.source.workspace", "ingest.source.id"],
            name=op.f("fk_plan_event_workspace_source_source"),
        ),
        _key("plan_event", "source", "type", "name", "version"),
        schema=SCHEMA,
    )
    op.create_table(
        "violation",
        *map(_text, ("workspace", "source", "type", "name", "version", "path", "rule")),
        _count("events"),
        _time("first_at"),
        _time("last_at"),
        _text("message"),
        _text("message_id"),
        _key("violation", "source", "type", "name", "version", "path", "rule"),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_violation_last_at"), "violation", ["last_at"], schema=SCHEMA)
    op.create_table(
        "catalogue",
        *map(_text, ("workspace", "source", "type", "name")),
        _count("events"),
        _count("samples"),
        _time("first_seen"),
        _time("last_seen"),
        sa.Column("shape", JSONB(), nullable=False),
        sa.Column("example", JSONB(), nullable=True),
        _key("catalogue", "source", "type", "name"),
        schema=SCHEMA,
    )


def _work() -> None:
    op.create_table(
        "job",
        _text("workspace"),
        _text("id"),
        _text("kind"),
        sa.Column("source", sa.Text(), nullable=True),
        _text("state"),
        sa.Column("spec", JSONB(), nullable=False),
        sa.Column("position", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        _count("done", server_default=ZERO),
        _count("accepted", server_default=ZERO),
        _count("rejected", server_default=ZERO),
        sa.Column("report", JSONB(), server_default=EMPTY, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        _time("created_at", server_default=NOW),
        sa.Column("started_at", UTC_TIME, nullable=True),
        sa.Column("finished_at", UTC_TIME, nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("held_until", UTC_TIME, nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=ZERO, nullable=False),
        _key("job", "id"),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_job_state_held_until"), "job", ["state", "held_until"], schema=SCHEMA)
    op.create_table(
        "bridge_lease",
        _text("workspace"),
        _text("bridge"),
        _text("holder"),
        _time("held_until"),
        _key("bridge_lease", "bridge"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in (
        "bridge_lease",
        "job",
        "catalogue",
        "violation",
        "plan_event",
        "rate_use",
        "tally_day",
    ):
        op.drop_table(table, schema=SCHEMA)
    op.drop_column("tally_source", "expired", schema=SCHEMA)
    op.drop_index(op.f("ix_quarantine_resolved_at"), "quarantine", schema=SCHEMA)
    for column in (
        "handled_by",
        "attempts",
        "resolution",
        "resolved_at",
        "truncated",
        "dialect",
        "type",
        "sent_at",
    ):
        op.drop_column("quarantine", column, schema=SCHEMA)
    op.execute("ALTER INDEX ingest.pk_quarantine RENAME TO pk_rejected")
    op.execute("ALTER INDEX ingest.ix_quarantine_received_at RENAME TO ix_rejected_received_at")
    op.execute(
        "ALTER INDEX ingest.ix_quarantine_workspace_message_id "
        "RENAME TO ix_rejected_workspace_message_id"
    )
    op.execute("ALTER TABLE ingest.quarantine RENAME TO rejected")
    op.drop_column("source", "revision", schema=SCHEMA)
    op.drop_column("source", "policy", schema=SCHEMA)
