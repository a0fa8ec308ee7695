"""Whose data are only to be kept, and what of the quarantine waits for that.

Revision: 0011, follows 0010.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "ingest"
HELD = "ix_quarantine_workspace_held_by"


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_hold")),
        schema=SCHEMA,
    )
    op.add_column("quarantine", sa.Column("held_by", sa.Text()), schema=SCHEMA)
    op.create_index(
        op.f(HELD),
        "quarantine",
        ["workspace", "held_by"],
        schema=SCHEMA,
        postgresql_where=sa.text("held_by IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f(HELD), "quarantine", schema=SCHEMA)
    op.drop_column("quarantine", "held_by", schema=SCHEMA)
    op.drop_table("hold", schema=SCHEMA)
