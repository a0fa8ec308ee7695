"""The tables of schema `profile`."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

from rapport_common.db import metadata
from rapport_common.due.tables import due_tables
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "profile"
METADATA = metadata(SCHEMA)
_INSTANT = DateTime(timezone=True)
consumer_tables(METADATA)
outbox_tables(METADATA)
job_table(METADATA)
due_tables(METADATA)
idempotency_table(METADATA)
privacy_tables(METADATA)

IDENTIFIER = Table(
    "identifier",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("profile_id", UUID(as_uuid=True)),
    Column("cluster_id", UUID(as_uuid=True)),
    Column("shared", Boolean, nullable=False, server_default=text("false")),
    Column("contested", Boolean, nullable=False, server_default=text("false")),
    # JSON, not JSONB: what people send is kept as they sent it, and only we read it.
    Column("fold", JSON, nullable=False),
    Column("expired", JSON, comment="The fold of events that retention has removed."),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "cluster_id"),
    Index(None, "workspace", "profile_id"),
)

IDENTITY_KEY = Table(
    "identity_key",
    METADATA,
    Column("one", Boolean, server_default=text("true"), comment="There is one row."),
    Column("fingerprint", LargeBinary, nullable=False),
    PrimaryKeyConstraint("one"),
    CheckConstraint("one", name="single"),
)
"""The key under which the ids of identifiers were made."""

MERGE_RULES = Table(
    "merge_rules",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, comment="Of a workspace the greatest holds."),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "version"),
)

DECISION = Table(
    "decision",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("kind", Text, nullable=False, comment="merge, apart, or cut"),
    Column("a", UUID(as_uuid=True), nullable=False, comment="The smaller id."),
    Column("b", UUID(as_uuid=True), nullable=False),
    Column("source", Text, comment="Of a cut the event's; a and b are its strongest identifier."),
    Column("message_id", Text),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("undone_at", DateTime(timezone=True)),
    Column("undone_by", Text),
    Column("undone_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "a"),
    Index(None, "workspace", "b"),
    Index("ix_decision_cut", "workspace", postgresql_where=text("kind = 'cut'")),
)
"""What operators have said of two identifiers: that they are one person, or never are.

And of events: that they name others by mistake.
"""

LINK = Table(
    "link",
    METADATA,
    Column("workspace", Text),
    Column("a", UUID(as_uuid=True), comment="The strongest identifier of the event."),
    Column("b", UUID(as_uuid=True)),
    Column("kind", Text, comment="seen, alias, renamed, or merge"),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("void", Boolean, nullable=False),
    PrimaryKeyConstraint("workspace", "a", "b", "kind"),
    Index(None, "workspace", "b"),
)

PROFILE = Table(
    "profile",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("version", BigInteger, nullable=False),
    Column("merged_into", UUID(as_uuid=True)),
    Column("members", BigInteger, nullable=False, server_default=text("0")),
    Column("summary", JSON, comment="What is known of it; none before it was kept."),
    PrimaryKeyConstraint("workspace", "id"),
    # The ids that somebody had before.
    Index(None, "workspace", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
)

OVERFLOW = Table(
    "overflow",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True)),
    Column("kind", Text, comment="trait or consent"),
    Column("name", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("value", JSON, nullable=False, comment="What gave way to newer ones in the fold."),
    PrimaryKeyConstraint("workspace", "identifier_id", "kind", "name"),
)

INBOX = Table(
    "inbox",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("hash", LargeBinary, nullable=False),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("timestamp", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("replaced", SmallInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
)

TIMELINE = Table(
    "timeline",
    METADATA,
    Column("workspace", Text),
    Column("identifier_id", UUID(as_uuid=True), comment="The event's strongest identifier."),
    Column("timestamp", DateTime(timezone=True)),
    Column("source", Text),
    Column("message_id", Text),
    Column("event", JSON, nullable=False),
    PrimaryKeyConstraint("workspace", "identifier_id", "timestamp", "source", "message_id"),
    postgresql_partition_by="RANGE (timestamp)",
)
"""Its parts, one for each month, are made by the service: see `store/timeline_parts.py`."""

_KEY_START = {
    "identifier_id": text("'00000000-0000-0000-0000-000000000000'::uuid"),
    "timestamp": text("'-infinity'::timestamptz"),
    "source": text("''::text"),
    "message_id": text("''::text"),
}
"""A place before every event."""


def _place() -> list[Column[Any]]:
    """The columns of a place in the timeline of a workspace."""
    kinds: dict[str, Any] = {"identifier_id": UUID(as_uuid=True), "timestamp": _INSTANT}
    return [
        Column(name, kinds.get(name, Text), nullable=False, server_default=start)
        for name, start in _KEY_START.items()
    ]


TIMELINE_CLOSING = Table(
    "timeline_closing",
    METADATA,
    Column("name", Text, comment="A part that was taken off the timeline."),
    Column("workspace", Text, nullable=False, server_default=text("''::text")),
    *_place(),
    PrimaryKeyConstraint("name"),
)
"""How far the events of such a part have been added to `identifier.expired`."""

TIMELINE_RULES = Table(
    "timeline_rules",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, comment="Of a workspace the greatest holds."),
    Column("rules", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "version"),
)

TIMELINE_SWEEP = Table(
    "timeline_sweep",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("began_at", _INSTANT, nullable=False, server_default=_KEY_START["timestamp"]),
    Column("looked_at", _INSTANT, nullable=False, server_default=_KEY_START["timestamp"]),
    Column("finished", Boolean, nullable=False, server_default=text("true")),
    *_place(),
    PrimaryKeyConstraint("workspace"),
)
"""How far a workspace's timelines have been looked through for what goes by its rules."""

SEARCH = Table(
    "search",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("entries", JSON, nullable=False, comment="What is searched of the person."),
    Column("keys", ARRAY(Integer), nullable=False, comment="Of the entries, and the workspace."),
    PrimaryKeyConstraint("workspace", "profile_id"),
    # Written by one loop in large pieces; a search reads through what is not sorted in yet.
    Index(
        None,
        "keys",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "1024"},
    ),
)
"""By what people are found, one row each, as `domain.searchable` has it."""

SEARCH_DUE = Table(
    "search_due",
    METADATA,
    Column("workspace", Text),
    Column("id", BigInteger, Identity(always=True)),
    Column("profiles", ARRAY(UUID(as_uuid=True)), nullable=False),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "id"),
)
"""The profiles of a batch that are not in `search` as they are now, or are in it no longer."""

PRIVACY_REQUEST = Table(
    "privacy_request",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("profile_id", UUID(as_uuid=True), comment="Of then; none where nobody was known."),
    Column("identifiers", BigInteger, nullable=False, comment="How many the person had."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("receipt", Text, comment="Signed, when all services have answered."),
    Column("finished_at", DateTime(timezone=True)),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "at", postgresql_where=text("finished_at IS NULL")),
)
"""Who asked for somebody to be forgotten, and why; never who that was."""

PRIVACY_RECEIPT = Table(
    "privacy_receipt",
    METADATA,
    Column("workspace", Text),
    Column("request_id", UUID(as_uuid=True)),
    Column("service", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("tables", JSONB, nullable=False),
    PrimaryKeyConstraint("workspace", "request_id", "service"),
)
"""What each service has answered."""

LIKENESS = Table(
    "likeness",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("version", BigInteger, nullable=False, comment="Of the profile, when it was looked at."),
    Column("form", LargeBinary, nullable=False, comment="A digest of what is compared of it."),
    Column("keys", ARRAY(BigInteger), nullable=False, comment="Its rows of block_key."),
    Column("due", Boolean, nullable=False, comment="It is still to be compared with others."),
    PrimaryKeyConstraint("workspace", "profile_id"),
    Index("ix_likeness_due", "workspace", "profile_id", postgresql_where=text("due")),
)
"""What the finder of duplicates knows of a profile: digests, nothing of what they are of."""

BLOCK_KEY = Table(
    "block_key",
    METADATA,
    Column("workspace", Text),
    Column("key", BigInteger, autoincrement=False, comment="A keyed digest of what is alike."),
    Column("profile_id", UUID(as_uuid=True)),
    PrimaryKeyConstraint("workspace", "key", "profile_id"),
)
"""Who is compared with whom: those who have a key in common."""

DUPLICATE = Table(
    "duplicate",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("a", UUID(as_uuid=True), nullable=False, comment="The smaller id of two profiles."),
    Column("b", UUID(as_uuid=True), nullable=False),
    Column("score", Double, nullable=False),
    Column("reasons", JSON, nullable=False, comment="Words and numbers, no values of people."),
    Column("state", Text, nullable=False, comment="open, merged, or dismissed"),
    Column("found_at", _INSTANT, nullable=False),
    Column("decided_at", _INSTANT),
    Column("decided_by", Text),
    Column("decided_reason", Text),
    Column("decision_id", UUID(as_uuid=True)),
    PrimaryKeyConstraint("workspace", "id"),
    Index("ix_duplicate_pair", "workspace", "a", "b", unique=True),
    Index(None, "workspace", "b"),
    Index("ix_duplicate_score", "workspace", "state", "score", "id"),
)
"""Two profiles that may be one person, and what an operator has said of them."""

LOYALTY_PROGRAMME = Table(
    "loyalty_programme",
    METADATA,
    Column("workspace", Text),
    Column("version", BigInteger, comment="Of a workspace the greatest was declared last."),
    Column("programme", JSON, nullable=False),
    Column("since", _INSTANT, nullable=False, comment="It holds for what happens from then on."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", _INSTANT, nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("workspace", "version"),
)

LOYALTY_FACT = Table(
    "loyalty_fact",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("content", JSON, nullable=False, comment="What loyalty keeps of the event."),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
    Index(None, "workspace", "identifier_id"),
)

LOYALTY_OPERATION = Table(
    "loyalty_operation",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("operation", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "identifier_id"),
)

LOYALTY_ENTRY = Table(
    "loyalty_entry",
    METADATA,
    Column("workspace", Text),
    Column("id", BigInteger, Identity(always=True)),
    Column("identifier_id", UUID(as_uuid=True), nullable=False),
    Column("lot", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("at", _INSTANT, nullable=False, comment="When it came about."),
    Column("booked_at", _INSTANT, nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "identifier_id", "id"),
)

LOYALTY_MEMBER = Table(
    "loyalty_member",
    METADATA,
    Column("workspace", Text),
    Column("profile_id", UUID(as_uuid=True)),
    Column("told", JSON, nullable=False, comment="What others have been told of the member."),
    PrimaryKeyConstraint("workspace", "profile_id"),
)
"""Its row is the member's lock: who spends, settles, merges or parts them has it."""
