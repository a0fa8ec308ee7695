"""What has a time is looked for by its kind: whether anything is due costs a step for each.

Revision: 0009, follows 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = "feedback"


def upgrade() -> None:
    op.create_index(
        op.f("ix_due_kind_try_at"),
        "due",
        ["kind", "try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("failed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_due_kind_try_at"), table_name="due", schema=SCHEMA)
