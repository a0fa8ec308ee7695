"""The table of the scores that a service keeps."""

from sqlalchemy import Column, DateTime, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID


def score_table(metadata: MetaData) -> None:
    """Declare `published_score`: by name the newest that models say of people.

    No value: there is none any more.
    """
    Table(
        "published_score",
        metadata,
        Column("workspace", Text, primary_key=True),
        Column("profile_id", UUID(as_uuid=True), primary_key=True),
        Column("name", Text, primary_key=True),
        Column("value", JSONB(none_as_null=True)),
        Column("model", Text, nullable=False),
        Column("model_version", Text, nullable=False),
        Column("as_of", DateTime(timezone=True), nullable=False),
        Column("reason", Text),
    )
