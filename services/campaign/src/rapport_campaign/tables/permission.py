"""What may be sent to whom: policies, words of people, what they choose among."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rapport_campaign.tables.schema import METADATA, Instant

Table(
    "policy",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("promotion_without_consent", Boolean, nullable=False, server_default=text("false")),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("unconfirmed_consent", Text, nullable=False, server_default=text("'refuse'")),
    Column("soft_bounces", Integer, nullable=False, server_default=text("5")),
    Column("soft_bounce_days", Integer, nullable=False, server_default=text("30")),
    # Of people who have told none.
    Column("language", Text),
    # To more people than this nothing is broadcast that a second person has not approved.
    Column("broadcast_approval_above", Integer),
    CheckConstraint("unconfirmed_consent IN ('allow', 'refuse')", name="unconfirmed_consent"),
)

# For which purposes who has said nothing has given no permission, by the consent rules.
Table(
    "consent_needs",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
)

Table(
    "suppression",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("profile_id", Text, comment="By whose link; null before 0015."),
)

# The words "denied" and "withdrawn" of each profile, by address in normal form: they hold for
# everybody who has the address.
Table(
    "objection",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Column("word", Text, nullable=False),
    CheckConstraint("word IN ('denied', 'withdrawn')", name="word"),
    Index(None, "workspace", "profile_id"),
)

# What people may choose among, each version of it; the greatest holds.
Table(
    "topics",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("topics", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
)

# What was said last on the pages of preferences, by address in normal form: at once, before profile
# tells of it.
Table(
    "preference",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("wanted", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("profile_id", Text, comment="By whose link; null before 0015."),
)

# Who was asked to confirm a yes by the link of a mail, by whom and why, and whether they have.
Table(
    "opt_in",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("opt_in_id", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("wording_version", Text),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Index(None, "workspace", "asked_at", "opt_in_id"),
    Index(None, "workspace", "address", "asked_at"),
)

# Links to the page of preferences that operators have made, by whom and why.
Table(
    "preference_link",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("link_key", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# A file of addresses that was uploaded, in pieces, until its job has ended.
Table(
    "suppression_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
)

# Rows of such files that were not taken. What they hold is not kept: the file has it.
Table(
    "suppression_refusal",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job", Text, primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
