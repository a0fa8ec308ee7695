"""All that workspaces declare is in one table.

Revision: 0013, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "profile"
FORMER = {"merge_rules": "merge", "timeline_rules": "timeline"}
COLUMNS = "version, rules, actor, reason, created_at"


def upgrade() -> None:
    op.create_table(
        "rules",
        *_columns(sa.Column("subject", sa.Text(), comment="merge, timeline, or traits")),
        sa.Column("version", sa.BigInteger(), comment="Of a subject the greatest holds."),
        *_said(),
        sa.PrimaryKeyConstraint("workspace", "subject", "version", name="pk_rules"),
        schema=SCHEMA,
    )
    for table, subject in FORMER.items():
        op.execute(
            f"INSERT INTO profile.rules (workspace, subject, {COLUMNS}) "
            f"SELECT workspace, '{subject}', {COLUMNS} FROM profile.{table}"
        )
        op.drop_table(table, schema=SCHEMA)


def downgrade() -> None:
    for table, subject in FORMER.items():
        op.create_table(
            table,
            *_columns(),
            sa.Column("version", sa.BigInteger(), comment="Of a workspace the greatest holds."),
            *_said(),
            sa.PrimaryKeyConstraint("workspace", "version", name=f"pk_{table}"),
            schema=SCHEMA,
        )
        op.execute(
            f"INSERT INTO profile.{table} (workspace, {COLUMNS}) "
            f"SELECT workspace, {COLUMNS} FROM profile.rules WHERE subject = '{subject}'"
        )
    op.drop_table("rules", schema=SCHEMA)


def _columns(*more: sa.Column[str]) -> list[sa.Column[str]]:
    return [sa.Column("workspace", sa.Text()), *more]


def _said() -> list[sa.Column[object]]:
    return [
        sa.Column("rules", postgresql.JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
    ]
