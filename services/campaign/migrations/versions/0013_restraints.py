"""What is not to be done with a person's data is followed.

Revision: 0013, follows 0012.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SCHEMA = "campaign"


def upgrade() -> None:
    # Of whom nothing was told of it there is nothing: version 0.
    version = sa.Column(
        "restraints_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False
    )
    op.add_column("person", version, schema=SCHEMA)
    op.add_column("person", sa.Column("restraints", JSON()), schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("person", "restraints", schema=SCHEMA)
    op.drop_column("person", "restraints_version", schema=SCHEMA)
