"""Which computed traits a workspace has, as profile tells of them.

Revision: 0011, follows 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.create_table(
        "trait",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_trait")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("trait", schema=SCHEMA)
