"""Definitions are told to the other services; those that are there already, at the start.

Revision: 0004, follows 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.add_column("definition", sa.Column("told_at", sa.DateTime(timezone=True)), schema=SCHEMA)


def downgrade() -> None:
    op.execute("DELETE FROM segment.outbox WHERE topic = 'segment.definition'")
    op.drop_column("definition", "told_at", schema=SCHEMA)
