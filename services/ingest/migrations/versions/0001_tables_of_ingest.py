"""The tables of ingest: credentials, spool, rejected events, counts.

Revision: 0001, follows None.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rejected",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("received_at", UTC_TIME, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_rejected")),
        schema="ingest",
    )
    op.create_index(op.f("ix_rejected_received_at"), "rejected", ["received_at"], schema="ingest")
    op.create_index(
        op.f("ix_rejected_workspace_message_id"),
        "rejected",
        ["workspace", "message_id"],
        schema="ingest",
    )
    op.create_table(
        "source",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", UTC_TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_source")),
        schema="ingest",
    )
    op.create_table(
        "spool",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("created_at", UTC_TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_spool")),
        schema="ingest",
    )
    op.create_index(op.f("ix_spool_id"), "spool", ["id"], schema="ingest")
    op.create_index(
        op.f("ix_spool_workspace_message_id"), "spool", ["workspace", "message_id"], schema="ingest"
    )
    op.create_table(
        "tally_source",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("spooled", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "source", name=op.f("pk_tally_source")),
        schema="ingest",
    )
    op.create_table(
        "write_key",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UTC_TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", UTC_TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace", "source"],
            ["ingest.source.workspace", "ingest.source.id"],
            name=op.f("fk_write_key_workspace_source_source"),
        ),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_write_key")),
        sa.UniqueConstraint("id", name=op.f("uq_write_key_id")),
        schema="ingest",
    )


def downgrade() -> None:
    op.drop_table("write_key", schema="ingest")
    op.drop_table("tally_source", schema="ingest")
    op.drop_table("spool", schema="ingest")
    op.drop_table("source", schema="ingest")
    op.drop_table("rejected", schema="ingest")
