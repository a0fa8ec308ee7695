"""How long which class of data is kept, and what has gone by it.

Revision: 0012, follows 0011.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("days", JSON(), nullable=False, comment="By class of data."),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_retention_rules")),
        schema=SCHEMA,
    )
    op.create_table(
        "retention_gone",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "day", "class", name=op.f("pk_retention_gone")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("retention_gone", schema=SCHEMA)
    op.drop_table("retention_rules", schema=SCHEMA)
