"""The record on `segment.definition`: what a segment is now."""

from datetime import datetime

import msgspec


class SegmentDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a segment; the highest version holds, in whatever order they come.

    `at` is when the version was made (UTC). While a segment is not `active` nobody is in it; an
    archived one stays so.
    """

    workspace: str
    segment_id: str
    version: int
    name: str
    at: datetime
    active: bool = True
    archived_at: datetime | None = None
