"""Scores of people, and what they are worked out of.

Revision: 0016, follows 0015.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.create_table(
        "rfm",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("rules", JSONB(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("job", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_rfm")),
        schema=SCHEMA,
    )
    op.create_table(
        "score",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("profile_id", UUID(as_uuid=True), nullable=False),
        sa.Column("scores", JSONB(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "profile_id", name=op.f("pk_score")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for name in ("score", "rfm"):
        op.drop_table(name, schema=SCHEMA)
