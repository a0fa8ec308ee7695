"""Who is asked by itself: contact policy, standing orders, and what became of each occasion."""

from sqlalchemy import (
    JSON,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant

# How often people are asked, in versions.
Table(
    "contact_policy",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
)

# A survey's standing orders. `segment_id` or `event` is what it waits for, as in the document.
Table(
    "asking",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("asking_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("document", JSON, nullable=False),
    Column("segment_id", Text),
    Column("event", Text),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
    # How many were asked on a day (UTC): the newest only.
    Column("quota_day", Date),
    Column("quota_used", Integer, nullable=False, server_default=text("0")),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
    Index(
        "ix_asking_segment",
        "workspace",
        "segment_id",
        postgresql_where=text("segment_id IS NOT NULL AND archived_at IS NULL"),
    ),
    Index(
        "ix_asking_event",
        "workspace",
        "event",
        postgresql_where=text("event IS NOT NULL AND archived_at IS NULL"),
    ),
)

# One row for each person and occasion, for ever: what is here is never planned again. `next_at`:
# when something is to be done about it.
Table(
    "asking_occasion",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("asking_id", Id, primary_key=True),
    Column("occasion", Text, primary_key=True),
    Column("profile_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("opens_at", Instant),
    Column("planned_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("next_at", Instant),
    Column("entry_id", Text),
    Column("context", JSONB, nullable=False, server_default=text("'{}'")),
    Column("invitation_id", Id),
    Column("channel", Text),
    Column("asked_at", Instant),
    Column("reminders", Integer, nullable=False, server_default=text("0")),
    Column("answered_at", Instant),
    ForeignKeyConstraint(
        ["workspace", "asking_id"], [f"{SCHEMA}.asking.workspace", f"{SCHEMA}.asking.asking_id"]
    ),
    Index(
        "ix_asking_occasion_next",
        "workspace",
        "asking_id",
        "next_at",
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    Index(
        "ix_asking_occasion_invitation",
        "workspace",
        "invitation_id",
        postgresql_where=text("invitation_id IS NOT NULL"),
    ),
    Index(
        "ix_asking_occasion_entry",
        "workspace",
        "entry_id",
        postgresql_where=text("entry_id IS NOT NULL AND state = 'planned'"),
    ),
    Index(None, "workspace", "profile_id"),
)

# Who is in which segment: whom a standing order that repeats asks again.
Table(
    "segment_stay",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Column("entry_id", Text, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Index(None, "workspace", "profile_id"),
)

# Where people are reached now, and in which language they are spoken to.
Table(
    "person_reach",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Column("points", JSONB, nullable=False, server_default=text("'[]'")),
    Column("language", Text),
)

# What follows from answers to a survey, in versions.
Table(
    "survey_follow_up",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)
