"""The tables of schema `campaign`."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from rapport_common.brands import brand_table
from rapport_common.db import metadata
from rapport_common.follower.tables import Followed, follower_table
from rapport_common.idempotency import idempotency_table
from rapport_common.jobs.tables import job_table
from rapport_common.kafka.tables import consumer_tables
from rapport_common.keeping.tables import keeping_tables
from rapport_common.outbox import outbox_tables
from rapport_common.privacy.tables import privacy_tables

SCHEMA = "campaign"
METADATA = metadata(SCHEMA)
consumer_tables(METADATA)
outbox_tables(METADATA)
privacy_tables(METADATA)
keeping_tables(METADATA)
job_table(METADATA)
brand_table(METADATA)
idempotency_table(METADATA)

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=False)

FOLLOWED = Followed(
    SCHEMA,
    ("identifiers", "contact_points", "traits", "computed", "consent", "restraints"),
    kept="json",
)
follower_table(METADATA, FOLLOWED)

# Stays in segments, under the ids that the segment service used when they began. After a merge a
# stay's end is told under another id, on another partition, perhaps before its beginning: so ended
# stays are kept for as long as the log could bring the beginning.
Table(
    "entry",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("entry_id", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("profile_version", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("event_timestamp", Instant),
    Column("ended_at", Instant),
    Column("historic", Boolean, nullable=False, server_default=text("false")),
)

# What the segments of the segment service are now, as it tells of them.
Table(
    "segment",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

Table(
    "policy",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("promotion_without_consent", Boolean, nullable=False, server_default=text("false")),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("unconfirmed_consent", Text, nullable=False, server_default=text("'refuse'")),
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
    "campaign",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("campaign_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("segment_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("from_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("allow_old_events", Boolean, nullable=False),
    Column("include_existing", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    # The one that plans for those who were in the segment at the start.
    Column("job", Text),
    Column("archived_at", Instant),
    CheckConstraint("state IN ('draft', 'running', 'paused', 'archived')", name="state"),
    CheckConstraint("purpose IN ('promotion', 'service')", name="purpose"),
    Index(None, "workspace", "segment_id"),
)

# The ledger: one row per send, for ever. `queue` is the campaign's id, or empty for what no
# campaign may hold up.
Table(
    "message",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("campaign_id", Id),
    Column("occasion", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("profile_id", Text, nullable=False),
    Column("needed_version", BigInteger, nullable=False),
    Column("to_address", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("waits", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Instant, nullable=False),
    Column("token", Id),
    Column("lease_until", Instant),
    Column("traceparent", Text),
    Column("planned_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("opened_at", Instant),
    Column("clicked_at", Instant),
    CheckConstraint(
        "state IN ('planned', 'sending', 'sent', 'failed', 'suppressed', 'uncertain')",
        name="state",
    ),
    # An entry and a request each belong to one person. So the profile need not be part of this
    # key, and a merge can't make a second send, whichever record about it comes first.
    Index(
        "uq_message_occasion",
        "workspace",
        "campaign_id",
        "occasion",
        "step",
        "channel",
        unique=True,
        postgresql_where=text("kind IN ('entry', 'request')"),
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "ix_message_next",
        "queue",
        "workspace",
        "next_attempt_at",
        postgresql_where=text("state = 'planned'"),
    ),
    Index("ix_message_lease", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("ix_message_campaign", "workspace", "campaign_id", "planned_at", "send_key"),
    # Whoever is forgotten: nothing else asks by person.
    Index(None, "workspace", "profile_id"),
    Index("ix_message_uncertain", "planned_at", postgresql_where=text("state = 'uncertain'")),
    ForeignKeyConstraint(
        ["workspace", "campaign_id"],
        [f"{SCHEMA}.campaign.workspace", f"{SCHEMA}.campaign.campaign_id"],
    ),
)

# What a transactional message says.
Table(
    "content",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text),
    Column("data", JSON, nullable=False),
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

# Where tracked links lead to: a token names a row here, never an address.
Table(
    "link",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("link_id", Text, primary_key=True),
    Column("campaign_id", Id, nullable=False),
    Column("url", Text, nullable=False),
)

# How often a link of a mail was followed: the first clicks are events, all are counted.
Table(
    "click",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("link_id", Text, primary_key=True),
    Column("clicks", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False),
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

# Domains that a workspace sends from, in ASCII; what DNS had at the last look is by name.
Table(
    "sender_domain",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("findings", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("checked_at", Instant),
    Column("verified_at", Instant),
    CheckConstraint("state IN ('unchecked', 'verified', 'failed')", name="state"),
)

# What they sign with: `private` is sealed, and is destroyed when the key is a former one.
Table(
    "sender_key",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("domain", Text, primary_key=True),
    Column("selector", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("public", Text, nullable=False),
    Column("private", Text),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    CheckConstraint("algorithm IN ('rsa', 'ed25519')", name="algorithm"),
    CheckConstraint("state IN ('waiting', 'active', 'former')", name="state"),
    CheckConstraint("(private IS NULL) = (state = 'former')", name="private"),
    ForeignKeyConstraint(
        ["workspace", "domain"],
        [f"{SCHEMA}.sender_domain.workspace", f"{SCHEMA}.sender_domain.domain"],
        ondelete="CASCADE",
    ),
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
