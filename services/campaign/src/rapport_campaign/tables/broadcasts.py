"""Broadcasts: one message to many at a time, its runs, who did what, and looks at it beforehand.

What a broadcast says is a row of `campaign` with the broadcast's own id, and each run of it sends a
copy of that row: senders, links and totals know no other thing than campaigns (ADR 79).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from rapport_campaign.tables.schema import METADATA, SCHEMA, Id, Instant

# `next_at`: when it begins a run. `edited_by` is who may not approve it.
Table(
    "broadcast",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("broadcast_id", Id, primary_key=True),
    Column("state", Text, nullable=False),
    Column("audience", JSON, nullable=False),
    Column("schedule", JSON, nullable=False),
    Column("throttle", JSON),
    Column("lateness_seconds", Integer, nullable=False),
    Column("joins_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("edited_by", Text, nullable=False),
    Column("approved_by", Text),
    Column("next_at", Instant),
    Column("reason", Text),
    Column("runs", Integer, nullable=False, server_default=text("0")),
    CheckConstraint(
        "state IN ('draft', 'awaiting_approval', 'scheduled', 'planning', 'sending', 'paused', "
        "'done', 'cancelled', 'failed')",
        name="state",
    ),
    Index("ix_broadcast_created", "workspace", "created_at", "broadcast_id"),
    Index("ix_broadcast_next", "next_at", postgresql_where=text("state = 'scheduled'")),
)

# `run_id` is the id of the campaign that it sends. `again`: the run whose failed ones it is for.
# `position`: how far it is planned; `slots`: so many have their place in its order.
Table(
    "broadcast_run",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("run_id", Id, primary_key=True),
    Column("broadcast_id", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("again", Id),
    Column("at", Instant, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("job", Text),
    Column("planned", Boolean, nullable=False),
    Column("position", JSON, nullable=False),
    Column("slots", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint(
        "state IN ('planning', 'sending', 'paused', 'done', 'cancelled', 'failed')", name="state"
    ),
    ForeignKeyConstraint(
        ["workspace", "broadcast_id"],
        [f"{SCHEMA}.broadcast.workspace", f"{SCHEMA}.broadcast.broadcast_id"],
    ),
    # No occurrence has two runs, whoever begins it.
    Index("uq_broadcast_run_number", "workspace", "broadcast_id", "number", unique=True),
    Index(
        "ix_broadcast_run_open",
        "state",
        postgresql_where=text("state IN ('planning', 'sending', 'paused')"),
    ),
)

# When the next message of a run that is throttled may go: microseconds since 1970. All senders of
# the run take their slots here.
Table(
    "broadcast_pace",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("run_id", Id, primary_key=True),
    Column("interval", BigInteger, nullable=False),
    Column("free_at", BigInteger, nullable=False),
)

# Who did what to a broadcast.
Table(
    "broadcast_act",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("broadcast_id", Id, primary_key=True),
    Column("act_id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("details", JSON, nullable=False),
)

# What a dry run found of each person; `address` is a digest, to be compared only. Who is `asked`
# still has a place in the order of the plan, and has passed so many gates (ADR 86).
Table(
    "broadcast_answer",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
    Column("due_at", Instant, nullable=False),
    Column("address", LargeBinary),
    Column("at", Instant, nullable=False, server_default=text("now()")),
    Column("place", BigInteger),
    Column("needed_version", BigInteger),
    Column("late_at", Instant),
    Column("gate", SmallInteger, nullable=False, server_default=text("0")),
    Column("looks", SmallInteger, nullable=False, server_default=text("0")),
    Column("waited_for", Text),
    CheckConstraint("outcome IN ('gets', 'waits', 'never', 'fails', 'asked')", name="outcome"),
    Index("ix_broadcast_answer_address", "workspace", "job_id", "address"),
    Index("ix_broadcast_answer_at", "at", postgresql_using="brin"),
    Index(
        "ix_broadcast_answer_asked",
        "workspace",
        "job_id",
        "due_at",
        "place",
        postgresql_where=text("outcome = 'asked'"),
    ),
    Index(None, "workspace", "profile_id"),
)

# How far a dry run has come, and what those before would have taken: in the transaction of what it
# has found. `version` counts these: of two who work on it one goes on.
Table(
    "dry_run",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("course", JSON, nullable=False),
    Column("at", Instant, nullable=False, server_default=text("now()")),
    Index("ix_dry_run_at", "at", postgresql_using="brin"),
)
