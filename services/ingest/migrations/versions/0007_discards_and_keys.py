"""Events that Kafka refused can be given up, and stay in the counts; requests have keys."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "tally_source",
        sa.Column("spool_discarded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        schema="ingest",
    )
    op.create_table(
        "idempotency",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("made_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "address", "key", name=op.f("pk_idempotency")),
        schema="ingest",
    )


def downgrade() -> None:
    op.drop_table("idempotency", schema="ingest")
    op.drop_column("tally_source", "spool_discarded", schema="ingest")
