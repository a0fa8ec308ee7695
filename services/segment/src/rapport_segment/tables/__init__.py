"""The tables of the schema `segment`."""

from rapport_segment.tables import definitions, lists, people, telling
from rapport_segment.tables.people import FOLLOWED
from rapport_segment.tables.schema import METADATA, SCHEMA

__all__ = ["FOLLOWED", "METADATA", "SCHEMA", "definitions", "lists", "people", "telling"]
