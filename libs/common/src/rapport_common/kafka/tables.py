"""The tables a consumer keeps in its service's schema."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)


def consumer_tables(metadata: MetaData) -> None:
    """Declare `position`, `dead_letter`, `parked_key`, `parked`, `consumer_command`,
    `consumer_stop` and `tally` in the service's schema.
    """
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
        # The workspace that the record names; empty when it can't be read.
        Column("workspace", Text),
        # What its header said; empty: it had none, 0: garbage.
        Column("version", SmallInteger),
        _created(),
        Column("replayed_at", DateTime(timezone=True)),
        UniqueConstraint("grp", "topic", "partition", "offset"),
        Index(None, "created_at"),
        Index(None, "workspace", "id"),
    )
    _parked_tables(metadata)
    _command_tables(metadata)
    tally_table(metadata)


def _parked_tables(metadata: MetaData) -> None:
    """A key that keeps failing, and its records, which wait in the order of their offsets."""
    Table(
        "parked_key",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("grp", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("workspace", Text),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("next_try_at", DateTime(timezone=True), nullable=False),
        _created(),
        UniqueConstraint("grp", "topic", "partition", "key"),
        Index(None, "grp", "next_try_at"),
        Index(None, "workspace", "id"),
    )
    Table(
        "parked",
        metadata,
        Column("grp", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("key", LargeBinary, primary_key=True),
        Column("offset", BigInteger, primary_key=True, autoincrement=False),
        Column("value", LargeBinary),
        Column("traceparent", Text),
        Column("version", SmallInteger),
        _created(),
    )


def _command_tables(metadata: MetaData) -> None:
    """What an operator told all replicas of a consumer, and which of them stand still."""
    Table(
        "consumer_command",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("grp", Text, nullable=False),
        Column("command", Text, nullable=False),
        Column("issued_by", Text, nullable=False),
        _created(),
        Index(None, "created_at"),
    )
    Table(
        "consumer_stop",
        metadata,
        Column("grp", Text, primary_key=True),
        Column("replica", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("stopped_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


def _created() -> "Column[datetime]":
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def tally_table(metadata: MetaData) -> None:
    """Declare `tally`: exact counters that move in the same transaction as what they count."""
    Table(
        "tally",
        metadata,
        Column("name", Text, primary_key=True),
        Column("value", BigInteger, nullable=False),
    )
