"""The first version of the record on `privacy`, and today's made of it."""

from datetime import datetime
from typing import Literal

import msgspec

from rapport_common.events.privacy import EndedProfile, PrivacyRecord


class PrivacyRecordV1(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As `PrivacyRecord`, of wishes to be forgotten only. `restrict` was never written."""

    workspace: str
    request_id: str
    kind: Literal["erase", "restrict", "receipt"]
    profile_id: str
    subjects: list[str]
    at: datetime
    service: str | None = None
    rows: int | None = None
    kinds: list[str] = []
    profiles: list[EndedProfile] = []
    tables: dict[str, int] = {}


def from_v1(record: PrivacyRecordV1) -> PrivacyRecord:
    """The same record."""
    return PrivacyRecord(
        workspace=record.workspace,
        request_id=record.request_id,
        kind=record.kind,
        profile_id=record.profile_id,
        subjects=record.subjects,
        at=record.at,
        service=record.service,
        rows=record.rows,
        kinds=record.kinds,
        profiles=record.profiles,
        tables=record.tables,
    )
