"""Which scores others have been told of; those of before are told with the next run.

Revision: 0023, follows 0022.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.add_column(
        "score",
        sa.Column("told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_score_untold",
        "score",
        ["workspace", "profile_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("NOT told"),
    )


def downgrade() -> None:
    op.drop_index("ix_score_untold", table_name="score", schema=SCHEMA)
    op.execute("DELETE FROM segment.score WHERE scores = '{}'")
    op.drop_column("score", "told", schema=SCHEMA)
