"""Who is to be forgotten, and who was.

Revision: 0012, follows 0011.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("subjects", ARRAY(sa.Text()), nullable=False),
        sa.Column("kinds", ARRAY(sa.Text()), nullable=False),
        sa.Column("profiles", ARRAY(sa.Text()), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("sweep", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("after", sa.Text()),
        sa.Column("removed", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("try_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "request_id", name=op.f("pk_erasure")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_erasure_try_at"),
        "erasure",
        ["try_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_table(
        "erased",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "subject", name=op.f("pk_erased")),
        schema=SCHEMA,
    )
    op.create_index(op.f("ix_erased_workspace_at"), "erased", ["workspace", "at"], schema=SCHEMA)
    op.create_index(
        op.f("ix_message_workspace_profile_id"),
        "message",
        ["workspace", "profile_id"],
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_message_workspace_profile_id"), "message", schema=SCHEMA)
    op.drop_table("erased", schema=SCHEMA)
    op.drop_table("erasure", schema=SCHEMA)
