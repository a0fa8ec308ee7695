"""The index of a person's open entries is newer than that of a segment's.

Of two indexes that cost the same the planner takes the newer one. Before it has statistics these
two do, and by the other one each segment of the workspace was looked for by itself.

Revision: 0014, follows 0013.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER INDEX segment.uq_membership_open RENAME TO uq_membership_open_before")
    op.execute(
        "CREATE UNIQUE INDEX uq_membership_open ON segment.membership "
        "(workspace, profile_id, segment_id) WHERE exited_at IS NULL"
    )
    op.execute("DROP INDEX segment.uq_membership_open_before")


def downgrade() -> None:
    """Which of them is newer is nothing that the release before goes by."""
