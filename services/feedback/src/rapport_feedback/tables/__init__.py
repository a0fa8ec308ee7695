"""The tables of schema `feedback`."""

from rapport_feedback.tables import cases, imports, people, surveys
from rapport_feedback.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = ["FOLLOWED", "METADATA", "SCHEMA", "cases", "imports", "people", "surveys"]
