"""What is known of people."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_common.follower.tables import Followed, follower_table
from rapport_common.scores.tables import score_table
from rapport_segment.tables.schema import METADATA, SCHEMA

FOLLOWED = Followed(
    SCHEMA,
    ("identifiers", "traits", "computed", "restraints", "contact_points", "consent"),
    ids="uuid",
    kept="jsonb",
    later=("contact_points", "consent"),
)
follower_table(METADATA, FOLLOWED)
# Who has an identifier that is put on a list. Without the list of what is to be sorted in later,
# which each question would have to go through.
Index(
    "ix_person_identifiers",
    METADATA.tables[f"{SCHEMA}.person"].c.identifiers,
    postgresql_using="gin",
    postgresql_ops={"identifiers": "jsonb_path_ops"},
    postgresql_with={"fastupdate": "off"},
)

Table(
    "trait",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # number, money, time, text, or list
    Column("type", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
)

# Events with a name, by the identifier that named the person best. Whose they are says `anchor`.
Table(
    "happening",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("source", Text(collation="C"), primary_key=True),
    Column("message_id", Text(collation="C"), primary_key=True),
    Column("anchor", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    # So many copies of the message counted before this one.
    Column("copy", Integer, nullable=False),
    Column("properties", JSONB, nullable=False),
    # What rules ask: the newest of a name and an anchor.
    Index("ix_happening_told", "workspace", "anchor", "name", "at"),
    # What is too old.
    Index("ix_happening_at", "at", postgresql_using="brin"),
)

# The identifiers of people, in the short form by which events are kept.
Table(
    "anchor",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    Column("anchor", LargeBinary, primary_key=True),
    Index("ix_anchor_of", "workspace", "anchor"),
)

# What RFM is worked out of: one set of rules for a workspace.
Table(
    "rfm",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("rules", JSONB, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("job", Text),
)

score_table(METADATA)

# Scores of people by RFM, as they were when they last changed.
Table(
    "score",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    # Empty: no customer any more, which is yet to be told.
    Column("scores", JSONB, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("told", Boolean, nullable=False, server_default=sql("false")),
    Index("ix_score_untold", "workspace", "profile_id", postgresql_where=sql("NOT told")),
)
