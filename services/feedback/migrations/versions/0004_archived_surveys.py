"""Surveys can be archived.

Revision: 0004, follows 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("survey", sa.Column("archived_at", sa.DateTime(timezone=True)), schema="feedback")


def downgrade() -> None:
    op.drop_column("survey", "archived_at", schema="feedback")
