"""Profiles are followed by section: a column for each, and what became of an id.

Revision: 0007, follows 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCHEMA = "segment"
SECTIONS = ("identifiers", "traits", "computed")


def upgrade() -> None:
    op.add_column("person", sa.Column("heir", UUID()), schema=SCHEMA)
    no = sa.text("false")
    known: sa.Column[bool] = sa.Column("known", sa.Boolean(), server_default=no, nullable=False)
    op.add_column("person", known, schema=SCHEMA)
    for name in ("ended", "into_version", *(f"{one}_version" for one in SECTIONS)):
        number = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("person", number, schema=SCHEMA)
    op.add_column("person", sa.Column("lacks", ARRAY(sa.BigInteger())), schema=SCHEMA)
    for name in SECTIONS:
        op.add_column("person", sa.Column(name, JSONB()), schema=SCHEMA)
    op.execute(
        "UPDATE segment.person AS p SET heir = a.profile_id FROM segment.alias a "
        "WHERE a.workspace = p.workspace AND a.old_id = p.profile_id AND p.state IS NULL"
    )
    # Known only as those into whom somebody was merged.
    op.execute("DELETE FROM segment.person WHERE state IS NULL AND version = 0 AND heir IS NULL")
    op.execute("UPDATE segment.person SET ended = version WHERE state IS NULL")
    sections = ", ".join(f"{one} = state -> '{one}', {one}_version = version" for one in SECTIONS)
    op.execute(f"UPDATE segment.person SET known = true, {sections} WHERE state IS NOT NULL")
    op.drop_table("alias", schema=SCHEMA)
    op.drop_column("person", "state", schema=SCHEMA)
    op.create_index(
        "ix_person_lacking",
        "person",
        ["workspace"],
        schema=SCHEMA,
        postgresql_where=sa.text("lacks IS NOT NULL"),
    )
    op.execute("ALTER TABLE segment.person SET (fillfactor = 70)")


def downgrade() -> None:
    op.execute("ALTER TABLE segment.person RESET (fillfactor)")
    op.drop_index("ix_person_lacking", table_name="person", schema=SCHEMA)
    op.add_column("person", sa.Column("state", JSONB()), schema=SCHEMA)
    state = ", ".join(f"'{one}', {one}" for one in SECTIONS)
    op.execute(f"UPDATE segment.person SET state = jsonb_build_object({state}) WHERE known")
    op.create_table(
        "alias",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("old_id", UUID(), nullable=False),
        sa.Column("profile_id", UUID(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "old_id", name=op.f("pk_alias")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_alias_workspace_profile_id"), "alias", ["workspace", "profile_id"], schema=SCHEMA
    )
    op.execute(
        "INSERT INTO segment.alias SELECT workspace, profile_id, heir FROM segment.person "
        "WHERE heir IS NOT NULL"
    )
    names = ("heir", "known", "ended", "into_version", "lacks", *SECTIONS)
    for name in (*names, *(f"{one}_version" for one in SECTIONS)):
        op.drop_column("person", name, schema=SCHEMA)
