"""How often an event was put under another identifier: each time it is told again.

Revision: 0028, follows 0027.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCHEMA = "profile"


def upgrade() -> None:
    op.add_column(
        "inbox",
        sa.Column(
            "moved",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("0"),
            comment="How often new rules or an operator have put it under another identifier.",
        ),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_column("inbox", "moved", schema=SCHEMA)
