"""Templates and the snippets in them, every version; in which language messages were."""

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, Integer, Table, Text

from rapport_campaign.tables.schema import METADATA, SCHEMA, Id, Instant

Table(
    "template",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("template_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index("ix_template_created", "workspace", "created_at", "template_id"),
)

# `source` is what its author wrote, `compiled` what mails are made of; `uses` are the versions of
# snippets by their names.
Table(
    "template_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("template_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", JSON, nullable=False),
    Column("compiled", JSON, nullable=False),
    Column("uses", JSON, nullable=False),
    Column("variables", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "template_id"],
        [f"{SCHEMA}.template.workspace", f"{SCHEMA}.template.template_id"],
    ),
)

# A name that is archived may come back: its versions go on.
Table(
    "snippet",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("uses", JSON, nullable=False),
    Column("archived_at", Instant),
)

Table(
    "snippet_version",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(
        ["workspace", "name"], [f"{SCHEMA}.snippet.workspace", f"{SCHEMA}.snippet.name"]
    ),
)

# Of messages whose campaign has several languages: the one they were made in.
Table(
    "message_language",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("send_key", Text, primary_key=True),
    Column("language", Text, nullable=False),
)
