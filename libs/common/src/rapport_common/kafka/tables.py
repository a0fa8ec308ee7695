"""The tables a consumer keeps in its service's schema."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
)


def consumer_tables(metadata: MetaData) -> None:
    """Declare `position`, `dead_letter` and `tally` in the service's schema."""
    Table(
        "position",
        metadata,
        Column("grp", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Table(
        "dead_letter",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("grp", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("reason", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("replayed_at", DateTime(timezone=True)),
        UniqueConstraint("grp", "topic", "partition", "offset"),
        Index(None, "created_at"),
    )
    tally_table(metadata)


def tally_table(metadata: MetaData) -> None:
    """Declare `tally`: exact counters that move in the same transaction as what they count."""
    Table(
        "tally",
        metadata,
        Column("name", Text, primary_key=True),
        Column("value", BigInteger, nullable=False),
    )
