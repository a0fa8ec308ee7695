"""Merge rules of workspaces, every version of them.

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


def downgrade() -> None:
    op.drop_table("merge_rules", schema=SCHEMA)
