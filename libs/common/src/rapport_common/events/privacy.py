"""The record on `privacy`: what a person asks for, and what each service answers."""

from datetime import datetime
from typing import Literal

import msgspec


class EndedProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A profile id that is nobody's from this version on."""

    profile_id: str
    version: int


class PrivacyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`subjects` are HMACs of the person's identifiers, hex; never the identifiers.

    A wish to be forgotten (`erase`) names with `subjects` the `kinds` of these identifiers, and in
    `profiles` the person's profile ids of now and before. `profile_id`, by which it is keyed, is
    the one of now; the id of the request where nobody has a profile. `at`: what was received before
    it goes. A `receipt` is of one `service`, which at `at` held nothing any more: `rows` it has
    removed or blanked, by table in `tables`.

    A request for `access` names a person the same way; their profiles end by it at no version.
    `seal` is the request's public key (X25519, hex). A `piece` is some of the lines that a
    `service` tells: the bytes of all its pieces by `number`, one after the other, are its lines.
    `sealed`: see `access/sealing.py`. `gathered`: that was all, `number` pieces, with `rows` by
    section in `tables`.

    `restrict`: the data of whoever has these identifiers are only to be kept, or are so no longer
    (`lifted`); of what is told under one `request_id` the latest `at` holds. It is told again once
    a day, with the identifiers that they have by then.
    """

    workspace: str
    request_id: str
    kind: Literal["erase", "restrict", "receipt", "access", "piece", "gathered"]
    profile_id: str
    subjects: list[str]
    at: datetime
    service: str | None = None
    rows: int | None = None
    kinds: list[str] = []
    profiles: list[EndedProfile] = []
    tables: dict[str, int] = {}
    seal: str | None = None
    number: int = 0
    sealed: bytes | None = None
    lifted: bool = False
