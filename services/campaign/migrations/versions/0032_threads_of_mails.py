"""Where answers to transactional mails go, and which mails they go on with.

Revision: 0032, follows 0031.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
COLUMNS = ("reply_to", "thread")


def upgrade() -> None:
    for name in COLUMNS:
        column = sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)
        op.add_column("content", column, schema=SCHEMA)


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("content", name, schema=SCHEMA)
