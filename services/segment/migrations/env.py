"""Migrations of the schema `segment`."""

from rapport_common.migrations import run
from rapport_segment.tables import METADATA

run(METADATA)
