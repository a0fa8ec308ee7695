"""People are told which groups they are in one by one: all of them once again.

Revision: 0029, follows 0028.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

WORKSPACES = "SELECT DISTINCT workspace FROM profile.group_profile"


def upgrade() -> None:
    op.execute(
        "INSERT INTO profile.due_lane (workspace, kind) "
        f"SELECT w.workspace, 'groups_of_all' FROM ({WORKSPACES}) AS w ON CONFLICT DO NOTHING"
    )
    op.execute(
        "INSERT INTO profile.due (workspace, kind, key, at, try_at) "
        f"SELECT w.workspace, 'groups_of_all', 'one-by-one', now(), now() FROM ({WORKSPACES}) AS w "
        "ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    """What is told says more than it said, and nothing else."""
