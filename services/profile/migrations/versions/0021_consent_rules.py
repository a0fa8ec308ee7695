"""What a word on a consent lacks, by the rules of its workspace.

Revision: 0021, follows 0020.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SCHEMA = "profile"


def upgrade() -> None:
    comment = "What the workspace's rules ask for, so that it does not count."
    op.add_column("consent_fact", sa.Column("lacks", sa.Text(), comment=comment), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("consent_fact", "lacks", schema=SCHEMA)
