"""What people are found by, and whose is to be written. All who are known are.

Revision: 0010, follows 0009.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = "profile"
PIECE = 200
"""Profiles in a row."""


def upgrade() -> None:
    op.create_table(
        "search",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column("entries", JSON(), nullable=False, comment="What is searched of the person."),
        sa.Column(
            "keys",
            ARRAY(sa.Integer()),
            nullable=False,
            comment="Of the entries, and the workspace.",
        ),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_search")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_search_keys"),
        "search",
        ["keys"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
    )
    op.create_table(
        "search_due",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("profiles", ARRAY(sa.UUID()), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_search_due")),
        schema=SCHEMA,
    )
    # The loop of profile takes them from here beside live events: nobody waits for it.
    op.execute(
        "INSERT INTO profile.search_due (workspace, profiles) "
        "SELECT workspace, array_agg(id) FROM (SELECT workspace, id, "
        f"(row_number() OVER (PARTITION BY workspace ORDER BY id) - 1) / {PIECE} AS piece "
        "FROM profile.profile WHERE merged_into IS NULL) AS numbered GROUP BY workspace, piece"
    )


def downgrade() -> None:
    op.drop_table("search_due", schema=SCHEMA)
    op.drop_table("search", schema=SCHEMA)
