"""The tables of who is to be forgotten in a service."""

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

from rapport_common.access.tables import access_table


def privacy_tables(metadata: MetaData) -> None:
    """Declare `erasure`, `erased` and `access` in the service's schema: the work, and of whom."""
    access_table(metadata)
    instant = DateTime(timezone=True)
    Table(
        "erasure",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("request_id", Text, primary_key=True),
        Column("profile_id", Text, nullable=False),
        # HMACs of identifiers in hexadecimal digits, what kinds these are of, and profile ids.
        Column("subjects", ARRAY(Text), nullable=False),
        Column("kinds", ARRAY(Text), nullable=False),
        Column("profiles", ARRAY(Text), nullable=False),
        # What was received before this goes.
        Column("at", instant, nullable=False),
        # Which sweep is next, and where in its table it goes on.
        Column("sweep", Integer, nullable=False, server_default=text("0")),
        Column("after", Text),
        # Rows that were removed or blanked, by table.
        Column("removed", JSONB, nullable=False, server_default=text("'{}'")),
        Column("tries", BigInteger, nullable=False, server_default=text("0")),
        Column("try_at", instant, nullable=False, server_default=func.now()),
        Column("error", Text),
        Column("created_at", instant, nullable=False, server_default=func.now()),
        Column("finished_at", instant),
        Index(None, "try_at", postgresql_where=text("finished_at IS NULL")),
    )
    # By HMAC or profile id, for ever: what was received before `at` is refused.
    Table(
        "erased",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("at", instant, nullable=False),
        Index(None, "workspace", "at"),
    )
