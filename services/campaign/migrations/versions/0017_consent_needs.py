"""For which purposes a workspace's consent rules want an explicit yes.

Revision: 0017, follows 0016.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SCHEMA = "campaign"


def upgrade() -> None:
    op.create_table(
        "consent_needs",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("purposes", ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_consent_needs")),
        schema=SCHEMA,
    )


def downgrade() -> None:
    op.drop_table("consent_needs", schema=SCHEMA)
