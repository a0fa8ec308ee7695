"""The tables of a service's retention rules."""

from sqlalchemy import BigInteger, Column, Date, DateTime, MetaData, Table, Text, func
from sqlalchemy.dialects.postgresql import JSON


def keeping_tables(metadata: MetaData) -> None:
    """Declare them in the service's schema: versions of rules, and how much has gone by them."""
    Table(
        "retention_rules",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("version", BigInteger, primary_key=True, autoincrement=False),
        Column("days", JSON, nullable=False, comment="By class of data."),
        Column("actor", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Table(
        "retention_gone",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("day", Date, primary_key=True),
        Column("class", Text, primary_key=True),
        Column("rows", BigInteger, nullable=False),
    )
