"""Who has put right what is known of whom.

Revision: 0019, follows 0018.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rectification",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column(
            "traits", JSON(), nullable=False, comment="As they are right; none once forgotten."
        ),
        sa.Column("profile_id", sa.UUID(), comment="Of then; none where nobody was known."),
        sa.Column("identifiers", ARRAY(sa.UUID()), nullable=False, comment="That have it."),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), comment="What shows it; none once forgotten."),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lifted_by", sa.Text()),
        sa.Column("lifted_reason", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_rectification")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("rectification", schema=SCHEMA)
