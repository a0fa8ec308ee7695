"""Surveys, links to them, answers."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant

Table(
    "survey",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("anonymous", Boolean, nullable=False, server_default=text("false")),
)

# What a survey asks: a version is never changed, since answers are to it.
Table(
    "survey_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

# How many finished answers a quota has; wave 0 is of all waves.
Table(
    "survey_quota",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("quota", Text, primary_key=True),
    Column("taken", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

# What of it was counted apart while it was far from its limit: few wait for a row of it.
Table(
    "survey_quota_part",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("survey_id", Id, primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("quota", Text, primary_key=True),
    Column("part", SmallInteger, primary_key=True),
    Column("taken", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
    postgresql_with={"fillfactor": "50"},
)

Table(
    "invitation",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("invitation_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("user_id", Text),
    Column("email", Text),
    Column("anonymous_id", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("context", JSONB, nullable=False, server_default=text("'{}'")),
    Column("traits", JSONB, nullable=False, server_default=text("'{}'")),
    # By whom and why the contact policy was not heeded.
    Column("override_by", Text),
    Column("override_reason", Text),
    # When somebody was invited last is asked by each of their names.
    *(
        Index(None, "workspace", name, postgresql_where=text(f"{name} IS NOT NULL"))
        for name in ("user_id", "email", "anonymous_id")
    ),
    # A link carries no workspace.
    UniqueConstraint("invitation_id"),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

# `score` is the answer to the leading question, `comment` that to the text of this name, as old
# readers know them; all others are in `answers`, and what was typed in `words`.
Table(
    "response",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("response_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("score", SmallInteger),
    Column("comment", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("answered_at", Instant, nullable=False),
    Column("revised_at", Instant, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("answers", JSONB, nullable=False, server_default=text("'{}'")),
    Column("words", JSONB, nullable=False, server_default=text("'{}'")),
    Column("done", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'complete'")),
    Column("finished_at", Instant),
    Column("context", JSONB, nullable=False, server_default=text("'{}'")),
    Column("anonymous", Boolean, nullable=False, server_default=text("false")),
    # An anonymous answer is told of together with others like it, and before that to nobody.
    Column("released", Boolean, nullable=False, server_default=text("true")),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    Index(None, "workspace", "survey_id", "response_id"),
    # What a score of some days is made of.
    Index(None, "workspace", "survey_id", "answered_at"),
    Index(
        "ix_response_held", "workspace", "survey_id", "wave", postgresql_where=text("NOT released")
    ),
    CheckConstraint("score BETWEEN 0 AND 10", name="score"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)
