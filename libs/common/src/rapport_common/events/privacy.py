"""The record on `privacy`: a wish to be forgotten or restricted, and each service's receipt."""

from datetime import datetime
from typing import Literal

import msgspec


class EndedProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile id that is nobody's from this version on."""

    profile_id: str
    version: int


class PrivacyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`subjects` are HMACs of the person's identifiers, hex; never the identifiers.

    A wish names with `subjects` the `kinds` of these identifiers, and in `profiles` the person's
    profile ids of now and before. `profile_id`, by which it is keyed, is the one of now; the id of
    the request where nobody has a profile. `at`: what was received before it goes.

    A receipt is of one `service`, which at `at` held nothing any more: `rows` it has removed or
    blanked, by table in `tables`.
    """

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
