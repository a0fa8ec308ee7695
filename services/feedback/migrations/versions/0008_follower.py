"""Profiles are followed by section: which version is held of what, and what became of an id.

Revision: 0008, follows 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = "feedback"
NUMBERS = ("ended", "into_version", "identifiers_version")


def upgrade() -> None:
    op.alter_column("person", "merged_into", new_column_name="heir", schema=SCHEMA)
    no = sa.text("false")
    known: sa.Column[bool] = sa.Column("known", sa.Boolean(), server_default=no, nullable=False)
    op.add_column("person", known, schema=SCHEMA)
    for name in NUMBERS:
        number = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("person", number, schema=SCHEMA)
    op.add_column("person", sa.Column("lacks", ARRAY(sa.BigInteger())), schema=SCHEMA)
    op.execute("UPDATE feedback.person SET ended = version")
    # Somebody has an identifier; who has none was merged away, or is nobody any more.
    op.execute(
        "UPDATE feedback.person AS p SET known = true, ended = 0, identifiers_version = version "
        "WHERE heir IS NULL AND EXISTS (SELECT 1 FROM feedback.identity i "
        "WHERE i.workspace = p.workspace AND i.profile_id = p.profile_id)"
    )
    op.create_index(
        "ix_person_lacking",
        "person",
        ["workspace"],
        schema=SCHEMA,
        postgresql_where=sa.text("lacks IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_person_lacking", table_name="person", schema=SCHEMA)
    for name in ("lacks", *NUMBERS, "known"):
        op.drop_column("person", name, schema=SCHEMA)
    op.alter_column("person", "heir", new_column_name="merged_into", schema=SCHEMA)
