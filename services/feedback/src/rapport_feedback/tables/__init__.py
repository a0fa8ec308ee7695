"""The tables of schema `feedback`."""

from rapport_feedback.tables import cases, desk, intake, people, surveys
from rapport_feedback.tables.schema import FOLLOWED, METADATA, SCHEMA

__all__ = ["FOLLOWED", "METADATA", "SCHEMA", "cases", "desk", "intake", "people", "surveys"]
