"""Profiles are followed by section: a column for each, and what became of an id.

Revision: 0011, follows 0010.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSON

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = "campaign"
SECTIONS = ("identifiers", "contact_points", "traits", "computed", "consent")
# States from before there were contact points told the current address by the e-mail trait; the
# e-mail identifiers come after it.
ADDRESSES = """
    SELECT json_agg(json_build_object('channel', 'email', 'value', told.value) ORDER BY n, value)
    FROM (SELECT 0 AS n, state -> 'traits' ->> 'email' AS value
        WHERE json_typeof(state -> 'traits' -> 'email') = 'string'
        UNION ALL SELECT 1, one ->> 'value' FROM json_array_elements(state -> 'identifiers') AS one
        WHERE one ->> 'kind' = 'email') AS told WHERE told.value <> ''
"""


def upgrade() -> None:
    op.alter_column("person", "merged_into", new_column_name="heir", schema=SCHEMA)
    known: sa.Column[bool] = sa.Column(
        "known", sa.Boolean(), server_default=sa.text("false"), nullable=False
    )
    op.add_column("person", known, schema=SCHEMA)
    for name in ("ended", *(f"{one}_version" for one in SECTIONS)):
        number = sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("person", number, schema=SCHEMA)
    op.add_column("person", sa.Column("lacks", ARRAY(sa.BigInteger())), schema=SCHEMA)
    for name in SECTIONS:
        op.add_column("person", sa.Column(name, JSON()), schema=SCHEMA)
    op.execute("UPDATE campaign.person SET ended = version WHERE state IS NULL")
    versions = ", ".join(f"{one}_version = version" for one in SECTIONS)
    op.execute(
        f"UPDATE campaign.person SET known = true, {versions}, "
        "identifiers = COALESCE(state -> 'identifiers', '[]'), "
        f"contact_points = COALESCE(state -> 'contact_points', ({ADDRESSES}), '[]'), "
        "traits = COALESCE(state -> 'traits', '{}'), "
        "computed = COALESCE(state -> 'computed', '{}'), "
        "consent = json_build_object('said', COALESCE(state -> 'consent', '[]'), "
        "'omitted', COALESCE(CAST(state #>> '{omitted,consent}' AS int), 0)) "
        "WHERE state IS NOT NULL"
    )
    op.drop_column("person", "state", schema=SCHEMA)
    op.create_index(
        "ix_person_lacking",
        "person",
        ["workspace"],
        schema=SCHEMA,
        postgresql_where=sa.text("lacks IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_person_lacking", table_name="person", schema=SCHEMA)
    op.add_column("person", sa.Column("state", JSON()), schema=SCHEMA)
    # The contact points of today have no time: the version before needs one, and reads no more.
    op.execute(
        "UPDATE campaign.person SET state = json_build_object('identifiers', identifiers, "
        "'traits', traits, 'computed', computed, 'consent', consent -> 'said', "
        "'omitted', json_build_object('consent', consent -> 'omitted'), 'contact_points', "
        '(SELECT COALESCE(json_agg(CAST(one AS jsonb) || \'{"at": "2000-01-01T00:00:00Z"}\'), '
        "'[]') FROM json_array_elements(contact_points) AS one)) WHERE known"
    )
    for name in (*SECTIONS, "lacks", *(f"{one}_version" for one in SECTIONS), "ended", "known"):
        op.drop_column("person", name, schema=SCHEMA)
    op.alter_column("person", "heir", new_column_name="merged_into", schema=SCHEMA)
