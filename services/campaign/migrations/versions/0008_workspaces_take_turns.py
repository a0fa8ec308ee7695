"""What is due is found by queue and workspace.

Revision: 0008, follows 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
PLANNED = sa.text("state = 'planned'")


def upgrade() -> None:
    op.create_index(
        "ix_message_next",
        "message",
        ["queue", "workspace", "next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=PLANNED,
    )
    op.drop_index("ix_message_due", table_name="message", schema=SCHEMA)


def downgrade() -> None:
    op.create_index(
        "ix_message_due",
        "message",
        ["queue", "next_attempt_at"],
        schema=SCHEMA,
        postgresql_where=PLANNED,
    )
    op.drop_index("ix_message_next", table_name="message", schema=SCHEMA)
