"""The record on `segment.definition`: what a segment is now."""

from datetime import datetime

import msgspec


class SegmentDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a segment; the highest version holds, in whatever order they come.

    `at` is when the version was made (UTC). While a segment is not `active` nobody is in it; an
    archived one stays so. `reads`: all that its rule reads of people, as `trait:plan`,
    `computed:orders`, `event:Order Completed`, `list:<id>` or `segment:<id>`; properties of events
    are told as traits, and what segments read that it names is told with those. None: it is not
    known, as in records from before it was told.
    """

    workspace: str
    segment_id: str
    version: int
    name: str
    at: datetime
    active: bool = True
    archived_at: datetime | None = None
    reads: list[str] | None = None
