"""Records in the spool say their version; those without one are of version 1.

Revision: 0008, follows 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "ingest"
WAITING = ("spool", "spool_refused")


def upgrade() -> None:
    for table in WAITING:
        op.add_column(table, sa.Column("version", sa.SmallInteger()), schema=SCHEMA)


def downgrade() -> None:
    for table in WAITING:
        op.drop_column(table, "version", schema=SCHEMA)
