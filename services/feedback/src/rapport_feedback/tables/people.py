"""Who is who, and of whom data are only to be kept."""

from sqlalchemy import Column, Index, Table, Text

from rapport_feedback.tables.schema import METADATA

# Which profile an identifier belongs to, as was told last. Answers and cases are kept
# by identifier and find their person here, so a merge or a split moves none of them. While
# records of two profiles are under way, both may name an identifier.
Table(
    "identity",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
    Index(None, "workspace", "profile_id"),
)

# Whose data are only to be kept: nobody asks them anything.
Table(
    "restricted",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("profile_id", Text, primary_key=True),
)
