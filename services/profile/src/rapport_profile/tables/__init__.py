"""The tables of schema `profile`."""

from rapport_profile.tables import computed, finding, groups, loyalty, people, privacy, timeline
from rapport_profile.tables.schema import METADATA, SCHEMA

__all__ = [
    "METADATA",
    "SCHEMA",
    "computed",
    "finding",
    "groups",
    "loyalty",
    "people",
    "privacy",
    "timeline",
]
