"""The brand that a workspace's pages show.

Revision: 0003, follows 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "campaign"


def upgrade() -> None:
    op.create_table(
        "brand",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("color", sa.Text(), nullable=False),
        sa.Column("logo", sa.Text(), nullable=False, comment="A data: address, or nothing."),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_brand")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("brand", schema=SCHEMA)
