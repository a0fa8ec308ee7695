"""Rows that each event rewrites have room for it; an identifier is in an index when it has to be.

Revision: 0026, follows 0025.
"""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SCHEMA = "profile"
LABELS = ("cluster_id", "profile_id")


def upgrade() -> None:
    op.execute("ALTER TABLE profile.profile SET (fillfactor = 70)")
    for label in LABELS:
        name = f"ix_identifier_workspace_{label}"
        op.execute(f"ALTER INDEX profile.{name} RENAME TO {name}_before")
        op.execute(
            f"CREATE INDEX {name} ON profile.identifier (workspace, {label}) "
            f"WHERE {label} IS NOT NULL"
        )
        op.execute(f"DROP INDEX profile.{name}_before")


def downgrade() -> None:
    for label in LABELS:
        name = f"ix_identifier_workspace_{label}"
        op.drop_index(name, table_name="identifier", schema=SCHEMA)
        op.create_index(name, "identifier", ["workspace", label], schema=SCHEMA)
    op.execute("ALTER TABLE profile.profile RESET (fillfactor)")
