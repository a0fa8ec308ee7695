"""What people ask for, and what they have said on consents."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, UUID

from rapport_profile.tables.schema import INSTANT, METADATA

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
    Column(
        "in_portions",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="One record has no room for all identifiers.",
    ),
    Column("gone_at", INSTANT, comment="In portions: when nobody here was the person any more."),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "at", postgresql_where=text("finished_at IS NULL")),
    Index(
        "ix_privacy_request_under_way",
        "workspace",
        postgresql_where=text("in_portions AND gone_at IS NULL"),
    ),
)
"""Who asked for somebody to be forgotten, and why; never who that was."""

PRIVACY_PORTION = Table(
    "privacy_portion",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True), comment="As it stands on the topic, and in receipts."),
    Column("request_id", UUID(as_uuid=True), nullable=False),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "request_id"),
)
"""Of requests about people for whom one record has no room: the portions behind the first."""

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

ACCESS_REQUEST = Table(
    "access_request",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("profile_id", UUID(as_uuid=True), comment="Of then; none where nobody was known."),
    Column("subjects", ARRAY(Text), nullable=False, comment="HMACs; none once forgotten."),
    Column("identifiers", BigInteger, nullable=False, comment="How many the person had."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "at", postgresql_where=text("finished_at IS NULL")),
)
"""Who asked what is known of whom, and why."""


def _of_access(name: str, *columns: Column[Any], key: tuple[str, ...] = ()) -> None:
    """Declare a table of what belongs to requests."""
    request = (Column("workspace", Text), Column("request_id", UUID(as_uuid=True)))
    own = PrimaryKeyConstraint("workspace", "request_id", *key)
    Table(f"access_{name}", METADATA, *request, *columns, own)


def _made(name: str = "made_at") -> Column[Any]:
    return Column(name, INSTANT, nullable=False)


# What opens the pieces of a request: without it nobody reads them, wherever they are.
_of_access("key", Column("private", LargeBinary, nullable=False), _made())
_SEALED = Column("sealed", LargeBinary, nullable=False)
_PLACE = ("service", "number")
_of_access(
    "piece", Column("service", Text), Column("number", Integer), _SEALED, _made(), key=_PLACE
)
_PIECES = Column("pieces", Integer, nullable=False)
_TOLD = Column("told", JSONB, nullable=False, comment="Rows by section.")
_of_access("answer", Column("service", Text), _made("at"), _PIECES, _TOLD, key=("service",))
# Who has read what is known of somebody, and when.
_ACTOR = Column("actor", Text, nullable=False)
_of_access("download", Column("id", UUID(as_uuid=True)), _made("at"), _ACTOR, key=("id",))

RESTRAINT = Table(
    "restraint",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("what", Text, nullable=False, comment="processing, marketing or profiling"),
    Column("profile_id", UUID(as_uuid=True), comment="Of then; none where nobody was known."),
    Column("identifiers", ARRAY(UUID(as_uuid=True)), nullable=False, comment="That have it."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("lifted_at", INSTANT),
    Column("lifted_by", Text),
    Column("lifted_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
    Index(
        "ix_restraint_holds",
        "workspace",
        "id",
        postgresql_where=text("what = 'processing' AND lifted_at IS NULL"),
    ),
)
"""Who has said what is not to be done with a person's data; what holds is in the folds."""

RECTIFICATION = Table(
    "rectification",
    METADATA,
    Column("workspace", Text),
    Column("id", UUID(as_uuid=True)),
    Column("traits", JSON, nullable=False, comment="As they are right; none once forgotten."),
    Column("profile_id", UUID(as_uuid=True), comment="Of then; none where nobody was known."),
    Column("identifiers", ARRAY(UUID(as_uuid=True)), nullable=False, comment="That have it."),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text, comment="What shows it; none once forgotten."),
    Column("at", INSTANT, nullable=False),
    Column("lifted_at", INSTANT),
    Column("lifted_by", Text),
    Column("lifted_reason", Text),
    PrimaryKeyConstraint("workspace", "id"),
)
"""Who has put right what is known of whom, and why; what holds is in the folds."""

CONSENT_FACT = Table(
    "consent_fact",
    METADATA,
    Column("workspace", Text),
    Column("source", Text),
    Column("message_id", Text, comment="Of the event that says it."),
    Column("identifier_id", UUID(as_uuid=True), nullable=False, comment="Who says it."),
    Column("sequence", BigInteger, nullable=False),
    Column("channel", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("contact_point", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="refused, granted, asked, or undated"),
    Column("state", Text, nullable=False, comment="granted, denied, or withdrawn"),
    Column("at", INSTANT, nullable=False, comment="It counts from then on."),
    Column("received_at", INSTANT, nullable=False),
    Column("trust", Text, nullable=False),
    Column("wording_version", Text),
    Column("legal_basis", Text),
    Column("expires_at", INSTANT),
    Column("ip_hash", Text, comment="A keyed digest."),
    Column("lacks", Text, comment="What the workspace's rules ask for, so that it does not count."),
    Column("evidence", JSON, nullable=False, comment="What it rests on: method, actor, reason …"),
    PrimaryKeyConstraint("workspace", "source", "message_id"),
    Index(None, "workspace", "identifier_id", "at"),
)
"""Each word on a consent, under its strongest identifier, also when its event has gone."""
