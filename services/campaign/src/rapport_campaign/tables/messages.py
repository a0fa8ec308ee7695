"""Messages: who is due what and when, what is being sent, and what became of it (ADR 74).

A message is in one of `plan`, `sending` and `message` at any time, and its key in `send` for ever.
The view `every_message`, made by the migrations, shows all three.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, Id, Instant


def _what() -> list[Column[object]]:
    """What a message is, wherever it is."""
    return [
        Column("workspace", Text, primary_key=True),
        Column("send_key", Text, primary_key=True),
        Column("planned_at", Instant, nullable=False),
        Column("kind", Text, nullable=False),
        Column("purpose", Text, nullable=False),
        Column("campaign_id", Id),
        Column("occasion", Text, nullable=False),
        Column("step", Text, nullable=False),
        Column("channel", Text, nullable=False),
        Column("profile_id", Text, nullable=False),
        Column("to_address", Text),
        Column("reason", Text),
        Column("attempt", Integer, nullable=False, server_default=text("0")),
        Column("traceparent", Text),
    ]


def _way() -> list[Column[object]]:
    """What it takes to send it. `queue` is the campaign's id, or empty for what no campaign may
    hold up.
    """
    return [
        Column("queue", Text, nullable=False),
        Column("needed_version", BigInteger, nullable=False),
        Column("waits", Integer, nullable=False, server_default=text("0")),
        # Of broadcasts: behind this instant it is not sent.
        Column("late_at", Instant),
        # In `plan`: where it waits for a pace, or has. In `sending`: where it counts.
        Column("lane", Text),
    ]


# The keys of all messages that there have ever been: what is here is never planned again.
Table(
    "send",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("planned_at", Instant, nullable=False),
)

# Who is due what, and when.
Table(
    "plan",
    METADATA,
    *_what(),
    *_way(),
    Column("due_at", Instant, nullable=False),
    Index("ix_plan_next", "queue", "workspace", "due_at"),
    Index("ix_plan_lane", "workspace", "lane", "due_at", postgresql_where=text("lane IS NOT NULL")),
    # Whoever is forgotten: nothing else asks by person.
    Index(None, "workspace", "profile_id"),
)

# What a sender has in its hands, until `lease_until`: a few hundred rows for each.
Table(
    "sending",
    METADATA,
    *_what(),
    *_way(),
    Column("token", Id, nullable=False),
    Column("lease_until", Instant, nullable=False),
    # Some open a mail before its sender has written down that it is sent.
    Column("opened_at", Instant),
    Column("clicked_at", Instant),
    Index("ix_sending_lease", "lease_until"),
    Index("ix_sending_lane", "workspace", "lane", postgresql_where=text("lane IS NOT NULL")),
)

# The ledger: what became of each message, for ever; by months of `planned_at`. With a token it is
# uncertain, and the sender that had it may still tell.
Table(
    "message",
    METADATA,
    *(one for one in _what() if one.name != "planned_at"),
    Column("planned_at", Instant, primary_key=True),
    Column("state", Text, nullable=False),
    Column("token", Id),
    Column("sent_at", Instant),
    Column("opened_at", Instant),
    Column("clicked_at", Instant),
    CheckConstraint("state IN ('sent', 'failed', 'suppressed', 'uncertain')", name="state"),
    Index("ix_message_campaign", "workspace", "campaign_id", "planned_at", "send_key"),
    Index(None, "workspace", "profile_id"),
    Index("ix_message_uncertain", "planned_at", postgresql_where=text("state = 'uncertain'")),
    postgresql_partition_by="RANGE (planned_at)",
)

# How many messages are in which state: `campaign` is its id, or empty. Each writer adds to one of
# some shards, so that they do not wait for each other.
Table(
    "message_total",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("campaign", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
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
    # Where answers go, empty: to us; and the ids of the mails that it goes on with.
    Column("reply_to", Text, nullable=False, server_default=text("''")),
    Column("thread", Text, nullable=False, server_default=text("''")),
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
