"""Contact points and consents are followed, too: of whom nothing was told of them there is nothing.

Revision: 0013, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "segment"
SECTIONS = ("contact_points", "consent")


def upgrade() -> None:
    for name in SECTIONS:
        version = sa.Column(
            f"{name}_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        )
        op.add_column("person", version, schema=SCHEMA)
        op.add_column("person", sa.Column(name, JSONB()), schema=SCHEMA)


def downgrade() -> None:
    for name in reversed(SECTIONS):
        op.drop_column("person", name, schema=SCHEMA)
        op.drop_column("person", f"{name}_version", schema=SCHEMA)
