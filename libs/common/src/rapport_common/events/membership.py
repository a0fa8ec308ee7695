"""The record on `segment.membership`: someone entered or left a segment."""

from datetime import datetime
from typing import Literal

import msgspec


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry or exit. An entry and the exit that ends it share `entry_id`.

    `historic`: the event behind it tells of the past (an import). `restored`: nothing has happened;
    what was missed of the person was told again, and who has been in for long may seem to enter.
    `by_time`: nothing has happened either, but that time has passed: `at` is the very instant. The
    cause is `event` there, since that is news.
    """

    workspace: str
    profile_id: str
    profile_version: int
    segment_id: str
    segment_version: int
    entry_id: str
    change: Literal["entered", "exited"]
    at: datetime
    cause: Literal["event", "definition", "merge"]
    reason: str
    event_timestamp: datetime | None = None
    historic: bool = False
    restored: bool = False
    by_time: bool = False
