"""Who is told by HTTP of answers and cases, and the posts that tell it."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Identity, Index, Integer, Table, Text, text

from rapport_feedback.tables.schema import METADATA, Id, Instant

Table(
    "webhook",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("webhook_id", Id, primary_key=True),
    Column("url", Text, nullable=False),
    # What it is told of.
    Column("events", ARRAY(Text), nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    # Why it is not active.
    Column("reason", Text),
    # Sealed.
    Column("secret", Text, nullable=False),
    Column("former_secret", Text),
    Column("former_until", Instant),
    # One after the other, since the last success; and since when nothing has succeeded.
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", Instant),
    Column("paused_until", Instant),
    Column("succeeded_at", Instant),
    Column("failed_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("archived_at", Instant),
    Index(None, "workspace", "url", unique=True, postgresql_where=text("archived_at IS NULL")),
)

_LIVING = text("ended_at IS NULL")
# A post waits until it has `ended_at`: it was delivered, or with `dead` given up. `subject` is the
# answer or case, whose posts go in the order of `number`; kind and value are those of its person.
Table(
    "webhook_post",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("post_id", Id, primary_key=True),
    Column("webhook_id", Id, nullable=False),
    Column("subject", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=text("now()")),
    Column("try_at", Instant, nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("tried_at", Instant),
    Column("holder", Id),
    Column("status", Integer),
    Column("error", Text),
    Column("ended_at", Instant),
    Column("dead", Boolean, nullable=False, server_default=text("false")),
    # What is due, and whether it is the first of its subject.
    Index(None, "workspace", "webhook_id", "try_at", postgresql_where=_LIVING),
    Index(None, "workspace", "webhook_id", "subject", "number", postgresql_where=_LIVING),
    # What is looked at, and what is removed.
    Index(None, "workspace", "webhook_id", "created_at", "post_id"),
    Index("ix_webhook_post_dead", "workspace", "webhook_id", postgresql_where=text("dead")),
    Index("ix_webhook_post_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    # Who is forgotten.
    Index(None, "workspace", "kind", "value"),
    # It is written and removed all the time.
    postgresql_with={
        "autovacuum_vacuum_scale_factor": "0.01",
        "autovacuum_vacuum_threshold": "2000",
        "autovacuum_vacuum_cost_delay": "0",
    },
)
