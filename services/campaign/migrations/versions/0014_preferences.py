"""What people choose among, what they have said on the pages of preferences, and links to these.

Revision: 0014, follows 0013.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "topics",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("topics", JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "version", name=op.f("pk_topics")),
        schema=SCHEMA,
    )
    op.create_table(
        "preference",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "address", "purpose", name=op.f("pk_preference")),
        schema=SCHEMA,
    )
    op.create_table(
        "opt_in",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("opt_in_id", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("wording_version", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("confirmed_at", INSTANT),
        sa.PrimaryKeyConstraint("workspace", "opt_in_id", name=op.f("pk_opt_in")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_opt_in_workspace_asked_at_opt_in_id"),
        "opt_in",
        ["workspace", "asked_at", "opt_in_id"],
        schema=SCHEMA,
    )
    op.create_table(
        "preference_link",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("link_key", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "link_key", name=op.f("pk_preference_link")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("preference_link", "opt_in", "preference", "topics"):
        op.drop_table(table, schema=SCHEMA)
