"""The tables of schema `feedback`."""

from rapport_feedback.tables import cases, people, surveys, texts
from rapport_feedback.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = ["FOLLOWED", "METADATA", "SCHEMA", "cases", "people", "surveys", "texts"]
