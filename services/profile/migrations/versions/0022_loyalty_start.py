"""From when on a loyalty programme counts, where that is before it was declared.

Revision: 0022, follows 0021.
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SCHEMA = "profile"
INSTANT = sa.DateTime(timezone=True)
BEGAN = (
    # A checkpoint says by which beginning it was worked out: so far it was the first version's.
    "UPDATE profile.loyalty_checkpoint c SET head = CAST(jsonb_set(CAST(c.head AS jsonb), "
    "'{began}', to_jsonb(p.since)) AS json) FROM profile.loyalty_programme p "
    "WHERE p.workspace = c.workspace AND p.version = 1"
)


def upgrade() -> None:
    op.create_table(
        "loyalty_start",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "counts_from", INSTANT, nullable=False, comment="What happened from then on counts."
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_loyalty_start")),
        schema=SCHEMA,
    )
    op.execute(BEGAN)


def downgrade() -> None:
    op.drop_table("loyalty_start", schema=SCHEMA)
