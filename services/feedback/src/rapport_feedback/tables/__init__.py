"""The tables of schema `feedback`."""

from rapport_feedback.tables import (
    asking,
    cases,
    desk,
    intake,
    people,
    surveys,
    texts,
)
from rapport_feedback.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = [
    "FOLLOWED",
    "METADATA",
    "SCHEMA",
    "asking",
    "cases",
    "desk",
    "intake",
    "people",
    "surveys",
    "texts",
]
