"""The table of a service's jobs."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


def job_table(metadata: MetaData) -> None:
    """Declare `job` in the service's schema: work that a crash interrupts and another resumes."""
    Table(
        "job",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("kind", Text, nullable=False),
        # The id of what the job is about, if it is one thing.
        Column("subject", Text),
        Column("state", Text, nullable=False),
        Column("spec", JSONB, nullable=False),
        # Where to go on, in the work's own terms; moves with `done`.
        Column("position", JSONB, nullable=False, server_default=text("'{}'")),
        Column("total", BigInteger),
        Column("done", BigInteger, nullable=False, server_default=text("0")),
        Column("accepted", BigInteger, nullable=False, server_default=text("0")),
        Column("rejected", BigInteger, nullable=False, server_default=text("0")),
        Column("report", JSONB, nullable=False, server_default=text("'{}'")),
        Column("error", Text),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("started_at", DateTime(timezone=True)),
        Column("finished_at", DateTime(timezone=True)),
        Column("holder", Text),
        Column("held_until", DateTime(timezone=True)),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Index(None, "state", "held_until"),
    )
