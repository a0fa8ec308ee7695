"""People: what was told of each profile, who was merged into whom, who is in a segment."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Entry, Person, State
from rapport_campaign.tables import FOLLOWED
from rapport_common.db import pack_texts, packed_texts
from rapport_common.events.activity import ContactPoint, ProfileActivity, Restraint
from rapport_common.events.profile import ComputedState, ConsentState, IdentifierState
from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Follower

FOLLOWER = Follower(FOLLOWED)
CONSENT = FOLLOWED.sections.index("consent")
resolve = FOLLOWER.store.resolve
lacking = FOLLOWER.store.lacking

_sections = ", ".join(f"{name}::text AS {name}" for name in FOLLOWED.sections)
_LOAD = (
    f"SELECT workspace, profile_id, version, known, ended, heir, {_sections} FROM campaign.person "
    "WHERE (workspace, profile_id) IN (SELECT * FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:ids AS text[]))) ORDER BY workspace, profile_id"
)
# An end counts whether or not the beginning is known yet.
_STAYS = text(
    "INSERT INTO campaign.entry AS e (workspace, segment_id, entry_id, profile_id, "
    "profile_version, cause, at, event_timestamp, ended_at, historic) SELECT * FROM unnest("
    f"{packed_texts('workspaces')}, {packed_texts('segments')}, {packed_texts('entries')}, "
    f"{packed_texts('profiles')}, CAST(:versions AS bigint[]), {packed_texts('causes')}, "
    "CAST(:ats AS timestamptz[]), CAST(:events AS timestamptz[]), CAST(:ends AS timestamptz[]), "
    "CAST(:historic AS bool[])) "
    "ON CONFLICT (workspace, segment_id, entry_id) DO UPDATE SET ended_at = excluded.ended_at "
    "WHERE e.ended_at IS NULL AND excluded.ended_at IS NOT NULL"
)


class _Consent(msgspec.Struct):
    """A person's words as they are kept, and how many are not told."""

    said: list[ConsentState]
    omitted: int = 0


_encoder = msgspec.json.Encoder()
_identifiers = msgspec.json.Decoder(list[IdentifierState])
_contact_points = msgspec.json.Decoder(list[ContactPoint])
_computed = msgspec.json.Decoder(ComputedState)
_restraints = msgspec.json.Decoder(list[Restraint])
_consent = msgspec.json.Decoder(_Consent)


def kept(_key: Key, place: int, record: ProfileActivity) -> str:
    """What is kept of a section that a record tells."""
    told = getattr(record, FOLLOWED.sections[place])
    if place == CONSENT:
        told = _Consent(told, record.omitted.consent)
    return _encoder.encode(told).decode()


async def load(
    tx: AsyncConnection, keys: Iterable[Key], *, lock: bool = False
) -> dict[Key, Person]:
    """The people there are; with `lock` nobody changes or locks them before the commit.

    So what is counted of what they were sent holds until then, too. Of whom something was missed
    is as of whom nothing was told: unknown.
    """
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(text(_LOAD + (" FOR NO KEY UPDATE" if lock else "")), _keys(wanted))
    return {
        (row.workspace, row.profile_id): Person(
            row.profile_id,
            row.version,
            _state(row) if row.known else None,
            gone=row.heir is None and 0 < row.version == row.ended,
        )
        for row in rows
    }


async def gone(tx: AsyncConnection, keys: Iterable[Key]) -> set[Key]:
    """Those of these people who are there no more, and are nobody else."""
    rows = await tx.execute(
        text(
            "SELECT workspace, profile_id FROM campaign.person WHERE heir IS NULL AND version > 0 "
            "AND version = ended AND (workspace, profile_id) IN (SELECT * FROM unnest("
            "CAST(:workspaces AS text[]), CAST(:ids AS text[])))"
        ),
        _keys(sorted(set(keys))),
    )
    return {(row.workspace, row.profile_id) for row in rows}


def _state(row: Row[Any]) -> State:
    consent = _consent.decode(row.consent or b'{"said":[]}')
    return State(
        identifiers=_identifiers.decode(row.identifiers or b"[]"),
        contact_points=_contact_points.decode(row.contact_points or b"[]"),
        traits=msgspec.Raw((row.traits or "{}").encode()),
        computed=_computed.decode(row.computed or b"{}"),
        consent=consent.said,
        omitted_consent=consent.omitted,
        restraints=_restraints.decode(row.restraints or b"[]"),
    )


async def stays(tx: AsyncConnection, stays: Iterable[tuple[Entry, datetime | None]]) -> None:
    """Note stays that have begun, and those that have ended (with when), in whatever order."""
    ends: dict[tuple[str, str, str], tuple[Entry, datetime | None]] = {}
    for entry, ended_at in stays:
        place = (entry.workspace, entry.segment_id, entry.entry_id)
        if ended_at is not None or place not in ends:
            ends[place] = (entry, ended_at)
    if not ends:
        return
    ordered = [ends[place] for place in sorted(ends)]
    await tx.execute(
        _STAYS,
        {
            "workspaces": pack_texts([one.workspace for one, _ in ordered]),
            "segments": pack_texts([one.segment_id for one, _ in ordered]),
            "entries": pack_texts([one.entry_id for one, _ in ordered]),
            "profiles": pack_texts([one.profile_id for one, _ in ordered]),
            "versions": [one.profile_version for one, _ in ordered],
            "causes": pack_texts([one.cause for one, _ in ordered]),
            "ats": [one.at for one, _ in ordered],
            "events": [one.event_timestamp for one, _ in ordered],
            "ends": [ended_at for _, ended_at in ordered],
            "historic": [one.historic for one, _ in ordered],
        },
    )


def _keys(keys: Iterable[Key]) -> dict[str, list[str]]:
    listed = list(keys)
    return {"workspaces": [one[0] for one in listed], "ids": [one[1] for one in listed]}
