"""What the processes tell each other about watched events stands in a table, not in NOTIFY."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column(
            "said_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
        sa.PrimaryKeyConstraint("id"),
        schema="ingest",
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_live_message_said_at"), "live_message", ["said_at"], schema="ingest")


def downgrade() -> None:
    op.drop_table("live_message", schema="ingest")
