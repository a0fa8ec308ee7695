"""Wishes and requests about people who are too large for one record.

Revision: 0024, follows 0023.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SCHEMA = "profile"
UNDER_WAY = "ix_privacy_request_under_way"


def upgrade() -> None:
    op.create_table(
        "privacy_portion",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "id", sa.UUID(), nullable=False, comment="As it stands on the topic, and in receipts."
        ),
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name="pk_privacy_portion"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_privacy_portion_workspace_request_id",
        "privacy_portion",
        ["workspace", "request_id"],
        schema=SCHEMA,
    )
    op.add_column(
        "privacy_request",
        sa.Column(
            "in_portions",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="One record has no room for all identifiers.",
        ),
        schema=SCHEMA,
    )
    comment = "In portions: when nobody here was the person any more."
    op.add_column(
        "privacy_request",
        sa.Column("gone_at", sa.DateTime(timezone=True), comment=comment),
        schema=SCHEMA,
    )
    op.create_index(
        UNDER_WAY,
        "privacy_request",
        ["workspace"],
        schema=SCHEMA,
        postgresql_where=sa.text("in_portions AND gone_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index(UNDER_WAY, "privacy_request", schema=SCHEMA)
    op.drop_column("privacy_request", "gone_at", schema=SCHEMA)
    op.drop_column("privacy_request", "in_portions", schema=SCHEMA)
    op.drop_table("privacy_portion", schema=SCHEMA)
