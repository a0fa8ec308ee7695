"""Kinds of sources, their warnings, a workspace's policy; how a quarantined event had come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "ingest"
UTC_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    kind = sa.Column("kind", sa.Text(), server_default="server", nullable=False)
    op.add_column("source", kind, schema=SCHEMA)
    for column in (
        sa.Column("sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("trust", sa.Text(), server_default="trusted", nullable=False),
        sa.Column("historic", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    ):
        op.add_column("quarantine", column, schema=SCHEMA)
    op.create_table(
        "workspace_policy",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("policy", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_workspace_policy")),
        schema=SCHEMA,
    )
    op.create_table(
        "source_warning",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UTC_TIME, nullable=False),
        sa.Column("last_at", UTC_TIME, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "source", "code", name=op.f("pk_source_warning")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("source_warning", schema=SCHEMA)
    op.drop_table("workspace_policy", schema=SCHEMA)
    for column in ("historic", "trust", "sequence"):
        op.drop_column("quarantine", column, schema=SCHEMA)
    op.drop_column("source", "kind", schema=SCHEMA)
