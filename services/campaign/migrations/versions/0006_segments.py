"""Segments are known by their definitions.

Revision: 0006, follows 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "campaign"


def upgrade() -> None:
    op.create_table(
        "segment",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace", "segment_id", name=op.f("pk_segment")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("segment", schema=SCHEMA)
