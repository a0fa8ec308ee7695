"""Scores of people that models of others have published.

Revision: 0022, follows 0021.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.create_table(
        "published_score",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text())),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", "profile_id", "name", name=op.f("pk_published_score")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("published_score", schema=SCHEMA)
