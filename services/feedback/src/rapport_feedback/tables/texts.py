"""What was read of texts, what a workspace teaches about them, and what there was more of."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rapport_feedback.tables.schema import METADATA, SCHEMA, Id, Instant

# A row for each text, apart from it: a row goes with its words. `topics` and `label` are what
# holds: what people say (`said_…`), else what was read.
Table(
    "text_enrichment",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("text_id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("response_id", Id),
    Column("case_id", Id),
    Column("message_id", Text),
    Column("part", Text, nullable=False),
    Column("anonymous", Boolean, nullable=False),
    Column("at", Instant, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("old", Boolean, nullable=False, server_default=text("false")),
    Column("free_at", Instant, nullable=False, server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text),
    Column("read_by", Text),
    Column("read_at", Instant),
    Column("language", Text),
    Column("sentiment", Double),
    Column("label", Text),
    Column("topics", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("said_label", Text),
    Column("said_topics", ARRAY(Text)),
    Column("bands", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),
    Column("result", JSON),
    # Who reads takes new texts before old ones.
    Index(None, "old", "free_at", postgresql_where=text("state = 'waiting'")),
    Index(None, "workspace", "at"),
    Index(None, "workspace", "response_id"),
    Index(None, "workspace", "case_id"),
    Index(None, "workspace", "message_id"),
    Index(None, "topics", postgresql_using="gin"),
    Index(None, "bands", postgresql_using="gin"),
)

# What people have said a text is: the newest of its revision holds, all of them teach.
Table(
    "text_correction",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("text_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("topics", ARRAY(Text)),
    Column("label", Text),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False, server_default=func.now()),
    ForeignKeyConstraint(
        ["workspace", "text_id"],
        [f"{SCHEMA}.text_enrichment.workspace", f"{SCHEMA}.text_enrichment.text_id"],
        ondelete="CASCADE",
    ),
)

# Topics in versions; one without a document was taken away.
Table(
    "text_topic",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
)

# What was learned from what people said, in versions by language; one of a language holds.
Table(
    "text_model",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("model_id", Id, primary_key=True),
    Column("language", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("model", JSON, nullable=False),
    Column("comparison", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("told_by", Text),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Index(None, "workspace", "language", "version", unique=True),
)

# Days on which there was more of a topic than by chance: each is noticed once.
Table(
    "text_spike",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("expected", Double, nullable=False),
    Column("p", Double, nullable=False),
    Column("seen_at", Instant, nullable=False, server_default=func.now()),
)
