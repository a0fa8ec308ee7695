"""Who was in a segment at an instant, and how many were: rows that are only added to, and counts.

Revision: 0019, follows 0018.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SCHEMA = "segment"


def upgrade() -> None:
    op.add_column("membership", sa.Column("since", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.create_index(
        "ix_membership_former",
        "membership",
        ["workspace", "segment_id", "profile_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("exited_at IS NOT NULL"),
    )
    op.create_table(
        "flow",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.UUID(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("entered", sa.BigInteger(), nullable=False),
        sa.Column("exited", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "segment_id", "day", name=op.f("pk_flow")),
        schema=SCHEMA,
    )
    # What retention or an erasure has removed before is not counted: it entered and left.
    op.execute(
        """
        INSERT INTO segment.flow (workspace, segment_id, day, entered, exited)
        SELECT workspace, segment_id, CAST(at AT TIME ZONE 'UTC' AS date),
            sum(entered), sum(exited)
        FROM (
            SELECT workspace, segment_id, entered_at AS at, 1 AS entered, 0 AS exited
            FROM segment.membership WHERE NOT beside
            UNION ALL
            SELECT workspace, segment_id, exited_at, 0, 1
            FROM segment.membership WHERE NOT beside AND exited_at IS NOT NULL
        ) AS told GROUP BY 1, 2, 3
        """
    )


def downgrade() -> None:
    op.drop_table("flow", schema=SCHEMA)
    op.drop_index("ix_membership_former", table_name="membership", schema=SCHEMA)
    op.drop_column("membership", "since", schema=SCHEMA)
