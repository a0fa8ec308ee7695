"""Operators say of events that they name others by mistake.

Revision: 0008, follows 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "profile"
COMMENT = "Of a cut the event's; a and b are its strongest identifier."
KINDS = "merge, or apart", "merge, apart, or cut"
LINKS = "seen, alias, or merge", "seen, alias, renamed, or merge"


def upgrade() -> None:
    op.add_column("decision", sa.Column("source", sa.Text(), comment=COMMENT), schema=SCHEMA)
    op.add_column("decision", sa.Column("message_id", sa.Text()), schema=SCHEMA)
    op.create_index(
        "ix_decision_cut",
        "decision",
        ["workspace"],
        postgresql_where=sa.text("kind = 'cut'"),
        schema=SCHEMA,
    )
    _comment("decision", *KINDS)
    _comment("link", *LINKS)


def downgrade() -> None:
    _comment("link", *reversed(LINKS))
    _comment("decision", *reversed(KINDS))
    op.drop_index("ix_decision_cut", "decision", schema=SCHEMA)
    op.drop_column("decision", "message_id", schema=SCHEMA)
    op.drop_column("decision", "source", schema=SCHEMA)


def _comment(table: str, former: str, now: str) -> None:
    op.alter_column(
        table,
        "kind",
        existing_type=sa.Text(),
        comment=now,
        existing_comment=former,
        schema=SCHEMA,
    )
