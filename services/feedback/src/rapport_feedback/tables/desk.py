"""Who works on cases and by which rules: agents, teams, queues, views; links, duplicates."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
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


def _of_case() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace", "case_id"], [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"]
    )


# Teams, queues and views, each by its name, as they are now; one without a document was taken away.
Table(
    "desk_rule",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", JSON),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
)

# Staff: the id is the subject of their credential, as cases have it for owner.
Table(
    "agent",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("skills", ARRAY(Text), nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("away_since", Instant),
    Column("assigned_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("archived_at", Instant),
)

# Who has a case open now, until when unless they say so again.
Table(
    "case_presence",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("writing", Boolean, nullable=False),
    Column("until_at", Instant, nullable=False),
    _of_case(),
    Index(None, "until_at"),
)

# What cases have to do with each other; `related` goes from the smaller id to the other.
Table(
    "case_link",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("other_id", Id, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    _of_case(),
    ForeignKeyConstraint(
        ["workspace", "other_id"],
        [f"{SCHEMA}.complaint.workspace", f"{SCHEMA}.complaint.case_id"],
    ),
    Index(None, "workspace", "other_id"),
)

# Duplicates: `step` closed the case, `undone_step` gave it back its state. Nothing of it is moved.
Table(
    "case_merge",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("case_id", Id, primary_key=True),
    Column("step", Integer, primary_key=True),
    Column("into_id", Id, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("closed_at", Instant),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("undone_step", Integer),
    Column("undone_at", Instant),
    _of_case(),
    Index(None, "workspace", "into_id"),
)

# Which transaction has changed a case: what live views read behind, in the order of commits.
Table(
    "case_change",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("xid", BigInteger, primary_key=True, autoincrement=False),
    Column("case_id", Id, primary_key=True),
    Column("at", Instant, nullable=False, server_default=func.now()),
    Index(None, "at"),
)

# The cases of a bulk change, and what has become of each.
Table(
    "case_bulk_item",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("job_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("case_id", Id, nullable=False),
    Column("version", Integer),
    Column("verdict", Text, nullable=False, server_default=text("''")),
    Column("message", Text, nullable=False, server_default=text("''")),
    Column("at", Instant, nullable=False, server_default=func.now()),
    Index(None, "at"),
)
