"""Surveys, links to them, answers."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

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
    # A link carries no workspace.
    UniqueConstraint("invitation_id"),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)

Table(
    "response",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("response_id", Id, primary_key=True),
    Column("survey_id", Id, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("answered_at", Instant, nullable=False),
    Column("revised_at", Instant, nullable=False),
    UniqueConstraint("workspace", "survey_id", "wave", "kind", "value"),
    CheckConstraint("score BETWEEN 0 AND 10", name="score"),
    ForeignKeyConstraint(
        ["workspace", "survey_id"], [f"{SCHEMA}.survey.workspace", f"{SCHEMA}.survey.survey_id"]
    ),
)
