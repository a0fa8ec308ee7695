"""The table of whose data a service is telling."""

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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB


def access_table(metadata: MetaData) -> None:
    """Declare `access` in the service's schema: requests to tell, and how far that is."""
    instant = DateTime(timezone=True)
    Table(
        "access",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("request_id", Text, primary_key=True),
        Column("profile_id", Text, nullable=False),
        # As in `erasure`.
        Column("subjects", ARRAY(Text), nullable=False),
        Column("kinds", ARRAY(Text), nullable=False),
        Column("profiles", ARRAY(Text), nullable=False),
        Column("at", instant, nullable=False),
        # The public key that pieces are sealed with.
        Column("seal", Text, nullable=False),
        # Which part is next, where it goes on, and how many pieces were told.
        Column("part", Integer, nullable=False, server_default=text("0")),
        Column("after", Text),
        Column("pieces", Integer, nullable=False, server_default=text("0")),
        # Rows that were told, by section.
        Column("told", JSONB, nullable=False, server_default=text("'{}'")),
        Column("tries", BigInteger, nullable=False, server_default=text("0")),
        Column("try_at", instant, nullable=False, server_default=func.now()),
        Column("error", Text),
        Column("created_at", instant, nullable=False, server_default=func.now()),
        Column("finished_at", instant),
        Index(None, "try_at", postgresql_where=text("finished_at IS NULL")),
        Index(None, "created_at"),
    )
