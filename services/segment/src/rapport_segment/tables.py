"""The tables of the schema `segment`."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "segment"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
job_table(METADATA)
due_tables(METADATA)

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
    Index("ix_happening_told", "workspace", "name", "anchor", "at"),
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

Table(
    "revision",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

Table(
    "definition",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    # The version against which everybody has been held.
    Column("built_version", Integer, nullable=False, server_default=text("0")),
    # The newest job that does so.
    Column("job", Text),
    Column("archived_at", DateTime(timezone=True)),
    # When the other services were last told of it.
    Column("told_at", DateTime(timezone=True)),
    Index(None, "workspace", "name", unique=True, postgresql_where=text("archived_at IS NULL")),
)

Table(
    "definition_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
)

# A rule that is built beside the one in force, and takes its place when everybody has been held
# against it. Who fits it meanwhile is in `membership`, under an id of its own.
Table(
    "candidate",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    # Grows whenever another rule takes the place of one that was not in force yet.
    Column("serial", Integer, nullable=False),
    Column("rule", JSONB, nullable=False),
    Column("job", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    # From then on it is in force, and who has to enter or leave does so.
    Column("swapped_at", DateTime(timezone=True)),
)

_OPEN = text("exited_at IS NULL")
# Keyed by the person: what a batch asks for is all open entries of its people.
Table(
    "membership",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", UUID(as_uuid=True), primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("entry_id", UUID(as_uuid=True), primary_key=True),
    Column("entered_at", DateTime(timezone=True), nullable=False),
    Column("segment_version", Integer, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("exited_at", DateTime(timezone=True)),
    Column("exit_reason", Text),
    # From then on it is true of this profile, where that is not `entered_at`: after a merge a stay
    # goes on under another id, and may count from earlier. Who was in at an instant goes by this.
    Column("since", DateTime(timezone=True)),
    # Of a rule that is built beside the one in force: nobody is told of it.
    Column("beside", Boolean, nullable=False, server_default=text("false")),
    # At most one open entry per person and segment. Its columns are in the order of the
    # question above: by the list's index each segment would be looked for by itself. It has to be
    # the newer of the two: before there are statistics both cost the same, and that one is taken.
    Index(
        "uq_membership_open",
        "workspace",
        "profile_id",
        "segment_id",
        unique=True,
        postgresql_where=_OPEN,
    ),
    # The list of members.
    Index(
        "ix_membership_members",
        "workspace",
        "segment_id",
        "profile_id",
        postgresql_where=_OPEN,
    ),
    # Who was in at an instant.
    Index(
        "ix_membership_former",
        "workspace",
        "segment_id",
        "profile_id",
        postgresql_where=text("exited_at IS NOT NULL"),
    ),
)

# How many entered and left on a day of UTC: what is summed up says how many were in.
Table(
    "flow",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", UUID(as_uuid=True), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("entered", BigInteger, nullable=False),
    Column("exited", BigInteger, nullable=False),
)

Table(
    "list",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("list_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    # Counted up by each file that replaces what is on it.
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Index(None, "workspace", "name", unique=True, postgresql_where=text("archived_at IS NULL")),
)

Table(
    "list_member",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("list_id", UUID(as_uuid=True), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    # 16 bytes of HMAC that stand for the identifier: by these people are forgotten.
    Column("subject", UUID(as_uuid=True), nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("generation", Integer, nullable=False),
    Index("ix_list_member_identifier", "workspace", "kind", "value"),
    Index("ix_list_member_subject", "workspace", "subject"),
)

# A file that was uploaded, in pieces, until its job has ended.
Table(
    "list_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# Rows of files that were not taken. What they hold is not kept: the file has it.
Table(
    "list_refusal",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

Table(
    "webhook",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("webhook_id", UUID(as_uuid=True), primary_key=True),
    Column("url", Text, nullable=False),
    # Of which segments it is told; none: of all.
    Column("segment_ids", ARRAY(UUID(as_uuid=True))),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    # Why it is not active.
    Column("reason", Text),
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),
    Column("former_until", DateTime(timezone=True)),
    # One after the other, since the last success.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("paused_until", DateTime(timezone=True)),
    Column("succeeded_at", DateTime(timezone=True)),
    Column("failed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("archived_at", DateTime(timezone=True)),
    Index(None, "workspace", "url", unique=True, postgresql_where=text("archived_at IS NULL")),
)

_LIVING = text("died_at IS NULL")
Table(
    "webhook_delivery",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("message_id", UUID(as_uuid=True), primary_key=True),
    Column("webhook_id", UUID(as_uuid=True), nullable=False),
    Column("profile_id", UUID(as_uuid=True), nullable=False),
    # In the order in which it happened to a person.
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("try_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("holder", UUID(as_uuid=True)),
    Column("status", Integer),
    Column("error", Text),
    Column("died_at", DateTime(timezone=True)),
    # What is due, and whether it is the first of its person.
    Index(None, "workspace", "webhook_id", "try_at", postgresql_where=_LIVING),
    Index(None, "workspace", "webhook_id", "profile_id", "number", postgresql_where=_LIVING),
    Index(
        "ix_webhook_delivery_dead",
        "workspace",
        "webhook_id",
        "created_at",
        postgresql_where=text("died_at IS NOT NULL"),
    ),
    # Who is forgotten.
    Index(None, "workspace", "profile_id"),
    # It is written and removed all the time.
    postgresql_with={
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_threshold": "2000",
        "autovacuum_vacuum_cost_delay": "0",
    },
)

Table(
    "audience",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("audience_id", UUID(as_uuid=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("segment_id", UUID(as_uuid=True), nullable=False),
    # google, meta or tencent
    Column("platform", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("every_hours", Integer),
    Column("job", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Index(None, "workspace", "name", unique=True),
)

Table(
    "audience_file",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("file_id", UUID(as_uuid=True), primary_key=True),
    Column("audience_id", UUID(as_uuid=True), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("whole", Boolean, nullable=False, server_default=text("false")),
    Column("rows", BigInteger, nullable=False, server_default=text("0")),
    Column("left_out", JSONB, nullable=False, server_default=text("'{}'")),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("sha256", Text, nullable=False, server_default=text("''")),
    Index(None, "workspace", "audience_id", "made_at"),
)

Table(
    "audience_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("file_id", UUID(as_uuid=True), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    # Who is in it: for whom the whole file goes when they are forgotten.
    Column("people", ARRAY(UUID(as_uuid=True)), nullable=False),
    ForeignKeyConstraint(
        ["workspace", "file_id"],
        ["segment.audience_file.workspace", "segment.audience_file.file_id"],
        ondelete="CASCADE",
    ),
)
