"""Merge rules of workspaces, every version of them, and what operators say of two identifiers.

Revision: 0007, follows 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "profile"


def upgrade() -> None:
    op.create_table(
        "merge_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            autoincrement=False,
            comment="Of a workspace the greatest holds.",
        ),
        sa.Column("rules", JSON(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_merge_rules")),
        schema=SCHEMA,
    )
    op.create_table(
        "decision",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="merge, or apart"),
        sa.Column("a", sa.UUID(), nullable=False, comment="The smaller id."),
        sa.Column("b", sa.UUID(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.Column("undone_by", sa.Text()),
        sa.Column("undone_reason", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_decision")),
        schema=SCHEMA,
    )
    for column in ("a", "b"):
        name = op.f(f"ix_decision_workspace_{column}")
        op.create_index(name, "decision", ["workspace", column], schema=SCHEMA)
    op.alter_column(
        "link",
        "kind",
        existing_type=sa.Text(),
        comment="seen, alias, or merge",
        existing_comment="seen or alias",
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.alter_column(
        "link",
        "kind",
        existing_type=sa.Text(),
        comment="seen or alias",
        existing_comment="seen, alias, or merge",
        schema=SCHEMA,
    )
    op.drop_table("decision", schema=SCHEMA)
    op.drop_table("merge_rules", schema=SCHEMA)
