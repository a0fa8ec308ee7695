"""What is not to be done with a person's data, and who has said so.

Revision: 0015, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "restraint",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False, comment="processing, marketing or profiling"),
        sa.Column("profile_id", sa.UUID(), comment="Of then; none where nobody was known."),
        sa.Column("identifiers", ARRAY(sa.UUID()), nullable=False, comment="That have it."),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.Column("lifted_by", sa.Text()),
        sa.Column("lifted_reason", sa.Text()),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_restraint")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("restraint", schema=SCHEMA)
