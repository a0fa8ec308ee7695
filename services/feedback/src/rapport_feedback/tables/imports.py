"""What of before has been taken in: each once for ever, whatever file it comes in again."""

from sqlalchemy import Column, Table, Text

from rapport_feedback.tables.schema import METADATA, Id

# `scope` is the survey that a row was an answer to, or `cases`; `external_id` names no person.
Table(
    "past_record",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("made_id", Id, nullable=False),
)
