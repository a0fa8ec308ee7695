"""Contact policy, standing orders to ask people, and what follows from answers.

Revision: 0016, follows 0015.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
INSTANT = sa.DateTime(timezone=True)
NAMES = ("user_id", "email", "anonymous_id")
FOLLOWED = ("contact_points", "traits")


def upgrade() -> None:
    for name in FOLLOWED:
        op.add_column(
            "person",
            sa.Column(
                f"{name}_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
            ),
            schema=SCHEMA,
        )
    for name in ("override_by", "override_reason"):
        op.add_column("invitation", sa.Column(name, sa.Text()), schema=SCHEMA)
    for name in NAMES:
        _index(
            f"ix_invitation_workspace_{name}",
            "invitation",
            ["workspace", name],
            f"{name} IS NOT NULL",
        )
    policy_and_rules()
    askings()
    occasions()
    people()


def downgrade() -> None:
    for kind in ("asking", "asking_wave"):
        for table in ("due", "due_lane"):
            op.execute(f"DELETE FROM feedback.{table} WHERE kind = '{kind}'")
    for table in (
        "person_reach",
        "segment_stay",
        "asking_occasion",
        "asking",
        "survey_follow_up",
        "contact_policy",
    ):
        op.drop_table(table, schema=SCHEMA)
    for name in NAMES:
        op.drop_index(op.f(f"ix_invitation_workspace_{name}"), "invitation", schema=SCHEMA)
    for name in ("override_by", "override_reason"):
        op.drop_column("invitation", name, schema=SCHEMA)
    for name in FOLLOWED:
        op.drop_column("person", f"{name}_version", schema=SCHEMA)


def _index(name: str, table: str, columns: list[str], where: str | None = None) -> None:
    op.create_index(
        op.f(name),
        table,
        columns,
        schema=SCHEMA,
        postgresql_where=None if where is None else sa.text(where),
    )


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _at(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, INSTANT, nullable=nullable)


def _json(name: str, default: str) -> sa.Column[Any]:
    kind = postgresql.JSONB(astext_type=sa.Text())
    return sa.Column(name, kind, server_default=sa.text(default), nullable=False)


def _created() -> sa.Column[Any]:
    return sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False)


def _of(table: str, what: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace", f"{what}_id"],
        [f"feedback.{what}.workspace", f"feedback.{what}.{what}_id"],
        name=op.f(f"fk_{table}_workspace_{what}_id_{what}"),
    )


def policy_and_rules() -> None:
    op.create_table(
        "contact_policy",
        _text("workspace"),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        _text("actor"),
        _text("reason"),
        _created(),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_contact_policy")),
        schema=SCHEMA,
    )
    op.create_table(
        "survey_follow_up",
        _text("workspace"),
        sa.Column("survey_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        _text("actor"),
        _created(),
        _of("survey_follow_up", "survey"),
        sa.PrimaryKeyConstraint(
            "workspace", "survey_id", "version", name=op.f("pk_survey_follow_up")
        ),
        schema=SCHEMA,
    )


def askings() -> None:
    op.create_table(
        "asking",
        _text("workspace"),
        sa.Column("asking_id", sa.UUID(), nullable=False),
        sa.Column("survey_id", sa.UUID(), nullable=False),
        _text("name"),
        sa.Column("document", sa.JSON(), nullable=False),
        _text("segment_id", nullable=True),
        _text("event", nullable=True),
        _text("actor"),
        _at("created_at", nullable=False),
        _at("changed_at", nullable=False),
        _at("archived_at"),
        sa.Column("quota_day", sa.Date()),
        sa.Column("quota_used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _of("asking", "survey"),
        sa.PrimaryKeyConstraint("workspace", "asking_id", name=op.f("pk_asking")),
        schema=SCHEMA,
    )
    for what, column in (("segment", "segment_id"), ("event", "event")):
        _index(
            f"ix_asking_{what}",
            "asking",
            ["workspace", column],
            f"{column} IS NOT NULL AND archived_at IS NULL",
        )


def occasions() -> None:
    op.create_table(
        "asking_occasion",
        _text("workspace"),
        sa.Column("asking_id", sa.UUID(), nullable=False),
        _text("occasion"),
        _text("profile_id"),
        _text("state"),
        _text("reason", nullable=True),
        _at("opens_at"),
        _at("planned_at", nullable=False),
        _at("due_at", nullable=False),
        _at("next_at"),
        _text("entry_id", nullable=True),
        _json("context", "'{}'"),
        sa.Column("invitation_id", sa.UUID()),
        _text("channel", nullable=True),
        _at("asked_at"),
        sa.Column("reminders", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _at("answered_at"),
        _of("asking_occasion", "asking"),
        sa.PrimaryKeyConstraint(
            "workspace", "asking_id", "occasion", name=op.f("pk_asking_occasion")
        ),
        schema=SCHEMA,
    )
    table = "asking_occasion"
    _index(f"ix_{table}_next", table, ["workspace", "asking_id", "next_at"], "next_at IS NOT NULL")
    _index(
        f"ix_{table}_invitation", table, ["workspace", "invitation_id"], "invitation_id IS NOT NULL"
    )
    _index(
        f"ix_{table}_entry",
        table,
        ["workspace", "entry_id"],
        "entry_id IS NOT NULL AND state = 'planned'",
    )
    _index(f"ix_{table}_workspace_profile_id", table, ["workspace", "profile_id"])


def people() -> None:
    op.create_table(
        "segment_stay",
        _text("workspace"),
        _text("segment_id"),
        _text("profile_id"),
        _text("entry_id"),
        _at("entered_at", nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace", "segment_id", "profile_id", name=op.f("pk_segment_stay")
        ),
        schema=SCHEMA,
    )
    _index("ix_segment_stay_workspace_profile_id", "segment_stay", ["workspace", "profile_id"])
    op.create_table(
        "person_reach",
        _text("workspace"),
        _text("profile_id"),
        _json("points", "'[]'"),
        _text("language", nullable=True),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_person_reach")),
        schema=SCHEMA,
    )
