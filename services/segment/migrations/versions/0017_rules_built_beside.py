"""Rules are built beside those in force; who fits them meanwhile is kept apart.

Revision: 0017, follows 0016.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.create_table(
        "candidate",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("rule", postgresql.JSONB(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("swapped_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("workspace", "segment_id", name=op.f("pk_candidate")),
        schema=SCHEMA,
    )
    op.add_column(
        "membership",
        sa.Column("beside", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.execute("DELETE FROM segment.membership WHERE beside")
    op.drop_column("membership", "beside", schema=SCHEMA)
    op.drop_table("candidate", schema=SCHEMA)
