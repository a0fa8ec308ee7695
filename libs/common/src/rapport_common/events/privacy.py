"""The record on `privacy`: a wish to be forgotten or restricted, and each service's receipt."""

from datetime import datetime
from typing import Literal

import msgspec


class PrivacyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`subjects` are HMACs of the person's identifiers, hex; never the identifiers."""

    workspace: str
    request_id: str
    kind: Literal["erase", "restrict", "receipt"]
    profile_id: str
    subjects: list[str]
    at: datetime
    service: str | None = None
    rows: int | None = None
