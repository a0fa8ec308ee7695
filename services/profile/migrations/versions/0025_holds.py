"""Whose data are only to be kept is found by an index, and told to services that follow nobody.

And for which purposes consent rules want an explicit yes is told to campaign.

Revision: 0025, follows 0024.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

SCHEMA = "profile"
HOLDS = "ix_restraint_holds"
IN_FORCE = "what = 'processing' AND lifted_at IS NULL"
# What was restricted before is told as soon as somebody looks.
TELL = f"""
INSERT INTO profile.due (workspace, kind, key, at, try_at)
SELECT DISTINCT workspace, 'tell_holds', 'all', now(), now() FROM profile.restraint WHERE {IN_FORCE}
"""
NEEDS = """
INSERT INTO profile.due (workspace, kind, key, at, try_at)
SELECT DISTINCT workspace, 'tell_needs', 'all', now(), now() FROM profile.rules
WHERE subject = 'consents'
"""
KINDS = "kind IN ('tell_holds', 'tell_needs')"
LANES = f"""
INSERT INTO profile.due_lane SELECT DISTINCT workspace, kind FROM profile.due
WHERE {KINDS} ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    op.create_index(
        HOLDS,
        "restraint",
        ["workspace", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text(IN_FORCE),
    )
    op.execute(TELL)
    op.execute(NEEDS)
    op.execute(LANES)


def downgrade() -> None:
    op.execute(f"DELETE FROM profile.due WHERE {KINDS}")
    op.execute(f"DELETE FROM profile.due_lane WHERE {KINDS}")
    op.drop_index(HOLDS, "restraint", schema=SCHEMA)
