"""Lots that expire by inactivity do so in cohorts: checkpoints without these are worked out anew.

Revision: 0023, follows 0022.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = "profile"
OF_THESE = (
    "DELETE FROM profile.loyalty_{0} t USING profile.loyalty_checkpoint c "
    "WHERE c.workspace = t.workspace AND c.profile_id = t.profile_id AND {1}"
)
FREE = ["workspace", "profile_id", "ends_at", "at", "key"]
BEFORE, SINCE = "c.head ->> 'inactive' = 'true'", "c.head -> 'cohorts' IS NOT NULL"


def _drop(which: str) -> None:
    for table in ("lot", "subject", "checkpoint"):
        op.execute(OF_THESE.format(table, which))


def _index_free(which: str) -> None:
    op.drop_index("ix_loyalty_lot_free", table_name="loyalty_lot", schema=SCHEMA)
    where = sa.text(which)
    op.create_index(
        "ix_loyalty_lot_free", "loyalty_lot", FREE, schema=SCHEMA, postgresql_where=where
    )


def upgrade() -> None:
    comment = "With which it expires, if it has not yet."
    op.add_column("loyalty_lot", sa.Column("cohort", sa.Integer(), comment=comment), schema=SCHEMA)
    _index_free("free > 0 AND cohort IS NULL")
    op.create_index(
        "ix_loyalty_lot_cohort",
        "loyalty_lot",
        ["workspace", "profile_id", "cohort", "at", "key"],
        schema=SCHEMA,
        postgresql_where=sa.text("free > 0 AND cohort IS NOT NULL"),
    )
    _drop(BEFORE)


def downgrade() -> None:
    _drop(SINCE)
    op.drop_index("ix_loyalty_lot_cohort", table_name="loyalty_lot", schema=SCHEMA)
    _index_free("free > 0")
    op.drop_column("loyalty_lot", "cohort", schema=SCHEMA)
