"""Clocks of cases by policies, calendars and policies in versions, what is known of cases, jobs.

Revision: 0015, follows 0014.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)
FIELDS = ("category", "product", "order_id", "tier", "team", "owner")
# The two limits that cases had, as laps: one for each opening, with what has become of it. A lap of
# acknowledging ends with the step after its opening, one of answering when the case is closed.
LAPS = """
WITH opening AS (
  SELECT e.*, row_number() OVER (PARTITION BY workspace, case_id ORDER BY step) AS lap,
    lead(step) OVER (PARTITION BY workspace, case_id ORDER BY step) AS next_opening
  FROM feedback.case_event e WHERE to_state IN ('received', 'reopened')
), lap AS (
  SELECT o.*, 'acknowledge' AS clock, o.acknowledge_due_at AS limit_at, (
    SELECT min(e.at) FROM feedback.case_event e WHERE e.workspace = o.workspace
    AND e.case_id = o.case_id AND e.step > o.step
    AND e.step < coalesce(o.next_opening, 2147483647)) AS ended_at
  FROM opening o
  UNION ALL
  SELECT o.*, 'resolve', o.due_at, (
    SELECT min(e.at) FROM feedback.case_event e WHERE e.workspace = o.workspace
    AND e.case_id = o.case_id AND e.step > o.step AND e.to_state = 'closed'
    AND e.step < coalesce(o.next_opening, 2147483647))
  FROM opening o
)
INSERT INTO feedback.case_clock (workspace, case_id, clock, lap, started_at, resumed_at, spent,
  paused, extended, due_at, warn_at, escalations, ended_at, outcome, policy, policy_version, warned,
  breached_at, escalated)
SELECT l.workspace, l.case_id, l.clock, l.lap, l.at, l.at, interval '0', false, false, l.limit_at,
  NULL, '[]', l.ended_at,
  CASE WHEN l.ended_at IS NULL THEN NULL WHEN l.ended_at > l.limit_at THEN 'breached'
    ELSE 'met' END, '', 0, false, b.at, 0
FROM lap l LEFT JOIN feedback.case_breach b ON b.workspace = l.workspace AND b.case_id = l.case_id
  AND b.clock = l.clock AND b.due_at = l.limit_at
"""


def upgrade() -> None:
    for name in ("acknowledge_due_at", "due_at"):
        for table in ("complaint", "case_event"):
            op.alter_column(table, name, nullable=True, schema=SCHEMA)
    op.add_column("complaint", _column("version", sa.Integer(), "1"), schema=SCHEMA)
    op.add_column("complaint", _column("severity", sa.Text(), "'normal'"), schema=SCHEMA)
    for name in FIELDS:
        op.add_column("complaint", _column(name, sa.Text(), "''"), schema=SCHEMA)
    op.add_column("case_event", _column("version", sa.Integer(), "0"), schema=SCHEMA)
    op.execute("UPDATE feedback.complaint SET version = step")
    op.execute("UPDATE feedback.case_event SET version = step")
    op.create_index(
        op.f("ix_complaint_workspace_case_id"),
        "complaint",
        ["workspace", "case_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    of_cases()
    rules_and_jobs()
    op.execute(LAPS)


def downgrade() -> None:
    for table in ("case_rules", "case_notice", "case_clock", "case_entry", "job"):
        op.drop_table(table, schema=SCHEMA)
    op.execute("DELETE FROM feedback.due WHERE kind NOT IN ('case_acknowledge', 'case_resolve')")
    op.execute(
        "DELETE FROM feedback.due_lane WHERE kind NOT IN ('case_acknowledge', 'case_resolve')"
    )
    op.drop_index(op.f("ix_complaint_workspace_case_id"), "complaint", schema=SCHEMA)
    op.drop_column("case_event", "version", schema=SCHEMA)
    for name in ("version", "severity", *FIELDS):
        op.drop_column("complaint", name, schema=SCHEMA)
    # The version before knows no case without both limits.
    for table, opened in (("complaint", "opened_at"), ("case_event", "at")):
        for name in ("acknowledge_due_at", "due_at"):
            op.execute(
                f"UPDATE feedback.{table} SET {name} = coalesce({name}, due_at, "
                f"acknowledge_due_at, {opened} + interval '56 days') WHERE {name} IS NULL"
            )
            op.alter_column(table, name, nullable=False, schema=SCHEMA)


def _column(name: str, kind: sa.types.TypeEngine[Any], default: str) -> sa.Column[Any]:
    return sa.Column(name, kind, server_default=sa.text(default), nullable=False)


def _of_case(table: str, *columns: sa.Column[Any] | sa.PrimaryKeyConstraint) -> None:
    op.create_table(
        table,
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["workspace", "case_id"],
            ["feedback.complaint.workspace", "feedback.complaint.case_id"],
            name=op.f(f"fk_{table}_workspace_case_id_complaint"),
        ),
        schema=SCHEMA,
    )


def of_cases() -> None:
    _of_case(
        "case_entry",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "case_id", "version", name=op.f("pk_case_entry")),
    )
    _of_case(
        "case_clock",
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("lap", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("resumed_at", INSTANT, nullable=False),
        sa.Column("spent", sa.Interval(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("extended", sa.Boolean(), nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("warn_at", INSTANT),
        sa.Column("escalations", sa.JSON(), nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("outcome", sa.Text()),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("breached_at", INSTANT),
        sa.Column("escalated", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "case_id", "clock", "lap", name=op.f("pk_case_clock")),
    )
    _of_case(
        "case_notice",
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "case_id", "clock", "due_at", "level", name=op.f("pk_case_notice")
        ),
    )


def rules_and_jobs() -> None:
    op.create_table(
        "case_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "name", "version", name=op.f("pk_case_rules")),
        schema=SCHEMA,
    )
    json = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "job",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("spec", json, nullable=False),
        sa.Column("position", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("total", sa.BigInteger()),
        *(_column(name, sa.BigInteger(), "0") for name in ("done", "accepted", "rejected")),
        sa.Column("report", json, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("holder", sa.Text()),
        sa.Column("held_until", INSTANT),
        _column("attempts", sa.Integer(), "0"),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_job")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_job_state_held_until"), "job", ["state", "held_until"], schema=SCHEMA)
