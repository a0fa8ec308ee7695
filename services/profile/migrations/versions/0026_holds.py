"""Whose data are only to be kept is found by an index, and told to services that follow nobody.

Revision: 0026, follows 0025.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "profile"
HOLDS = "ix_restraint_holds"
IN_FORCE = "what = 'processing' AND lifted_at IS NULL"
# What was restricted before is told as soon as somebody looks.
TELL = f"""
INSERT INTO profile.due (workspace, kind, key, at, try_at)
SELECT DISTINCT workspace, 'tell_holds', '', now(), now() FROM profile.restraint WHERE {IN_FORCE}
"""
LANES = """
INSERT INTO profile.due_lane SELECT DISTINCT workspace, kind FROM profile.due
WHERE kind = 'tell_holds' ON CONFLICT DO NOTHING
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
    op.execute(LANES)


def downgrade() -> None:
    op.execute("DELETE FROM profile.due WHERE kind = 'tell_holds'")
    op.execute("DELETE FROM profile.due_lane WHERE kind = 'tell_holds'")
    op.drop_index(HOLDS, "restraint", schema=SCHEMA)
