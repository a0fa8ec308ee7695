"""Queues, teams, agents, views, duplicates, links, search in cases, changes told live and at once.

Revision: 0017, follows 0015.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)
FIELDS = ("channel", "language", "queue")
SEARCHED = {
    "complaint": ("subject", "body", "order_id", "email", "user_id"),
    "case_message": ("subject", "body"),
    "case_event": ("note",),
    "case_entry": ("note",),
}
INDEXES: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("workspace", "queue", "deadline_at"), "state <> 'closed' AND owner = ''"),
    (("workspace", "owner", "deadline_at"), "state <> 'closed' AND owner <> ''"),
    (("workspace", "deadline_at", "number"), "state <> 'closed'"),
    (("workspace", "user_id"), None),
    (("workspace", "anonymous_id"), None),
    (("workspace", "order_id"), "order_id <> ''"),
    (("workspace", "heir_id"), "heir_id IS NOT NULL"),
)


def upgrade() -> None:
    for name in FIELDS:
        op.add_column("complaint", _text(name), schema=SCHEMA)
    op.add_column("complaint", sa.Column("heir_id", sa.UUID()), schema=SCHEMA)
    for table, columns in SEARCHED.items():
        # The table is written anew: it stands still for that.
        op.add_column(table, _words(*columns), schema=SCHEMA)
        op.create_index(
            op.f(f"ix_{table}_words"), table, ["words"], schema=SCHEMA, postgresql_using="gin"
        )
    for names, where in INDEXES:
        op.create_index(
            op.f(f"ix_complaint_{'_'.join(names)}"),
            "complaint",
            list(names),
            schema=SCHEMA,
            postgresql_where=None if where is None else sa.text(where),
        )
    rules_and_agents()
    presence_and_links()
    merges()
    changes()


def downgrade() -> None:
    for table in (
        *("case_bulk_item", "case_change", "case_merge", "case_link", "case_presence"),
        *("agent", "desk_rule"),
    ):
        op.drop_table(table, schema=SCHEMA)
    for table in ("due", "due_lane"):
        op.execute(f"DELETE FROM feedback.{table} WHERE kind IN ('case_push', 'case_away')")
    op.execute("DELETE FROM feedback.job WHERE kind IN ('place_cases', 'change_cases')")
    for names, _where in INDEXES:
        op.drop_index(op.f(f"ix_complaint_{'_'.join(names)}"), "complaint", schema=SCHEMA)
    for table in SEARCHED:
        op.drop_column(table, "words", schema=SCHEMA)
    for name in ("heir_id", *FIELDS):
        op.drop_column("complaint", name, schema=SCHEMA)


def _text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def _words(*columns: str) -> sa.Column[Any]:
    told = " || ' ' || ".join(f"coalesce({one}, '')" for one in columns)
    apart = f"regexp_replace(left({told}, 100000), '([぀-ヿ㐀-鿿가-힯豈-﫿])', ' \\1 ', 'g')"
    vector = f"array_to_tsvector(ARRAY['@' || workspace]) || to_tsvector('simple', {apart})"
    return sa.Column("words", postgresql.TSVECTOR(), sa.Computed(vector, persisted=True))


def _of_case(table: str, column: str = "case_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace", column],
        ["feedback.complaint.workspace", "feedback.complaint.case_id"],
        name=op.f(f"fk_{table}_workspace_{column}_complaint"),
    )


def rules_and_agents() -> None:
    op.create_table(
        "desk_rule",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "name", name=op.f("pk_desk_rule")),
        schema=SCHEMA,
    )
    op.create_table(
        "agent",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("away_since", INSTANT),
        sa.Column("assigned_at", INSTANT),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("archived_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "agent_id", name=op.f("pk_agent")),
        schema=SCHEMA,
    )


def presence_and_links() -> None:
    op.create_table(
        "case_presence",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("writing", sa.Boolean(), nullable=False),
        sa.Column("until_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "case_id", "agent_id", name=op.f("pk_case_presence")),
        _of_case("case_presence"),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_case_presence_until_at"), "case_presence", ["until_at"], schema=SCHEMA)
    op.create_table(
        "case_link",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("other_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "case_id", "other_id", "kind", name=op.f("pk_case_link")
        ),
        _of_case("case_link"),
        _of_case("case_link", "other_id"),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_link_workspace_other_id"),
        "case_link",
        ["workspace", "other_id"],
        schema=SCHEMA,
    )


def merges() -> None:
    op.create_table(
        "case_merge",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("into_id", sa.UUID(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("closed_at", INSTANT),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("undone_step", sa.Integer()),
        sa.Column("undone_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "case_id", "step", name=op.f("pk_case_merge")),
        _of_case("case_merge"),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_case_merge_workspace_into_id"),
        "case_merge",
        ["workspace", "into_id"],
        schema=SCHEMA,
    )


def changes() -> None:
    op.create_table(
        "case_change",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("xid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "xid", "case_id", name=op.f("pk_case_change")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_case_change_at"), "case_change", ["at"], schema=SCHEMA)
    op.create_table(
        "case_bulk_item",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer()),
        *map(_text, ("verdict", "message")),
        sa.Column("at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "job_id", "place", name=op.f("pk_case_bulk_item")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_case_bulk_item_at"), "case_bulk_item", ["at"], schema=SCHEMA)
