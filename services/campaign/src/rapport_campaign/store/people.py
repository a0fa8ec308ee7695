"""People: the newest snapshot of each profile, who was merged into whom, who is in a segment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.model import Entry, Person
from rapport_common.events.profile import ProfileState

ProfileKey = tuple[str, str]
"""(workspace, profile id)."""

MAX_CHAIN = 20
_state = msgspec.json.Decoder(ProfileState)

_SAVE = text(
    "INSERT INTO campaign.person AS p (workspace, profile_id, version, merged_into, into_version, "
    "state) "
    "SELECT workspace, profile_id, version, merged_into, into_version, state::json FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:ids AS text[]), CAST(:versions AS bigint[]), "
    "CAST(:merged AS text[]), CAST(:intos AS bigint[]), CAST(:states AS text[])) "
    "AS v(workspace, profile_id, version, merged_into, into_version, state) "
    "ORDER BY workspace, profile_id "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET version = excluded.version, "
    "merged_into = excluded.merged_into, into_version = excluded.into_version, "
    "state = excluded.state WHERE p.version < excluded.version "
    "OR (p.version = excluded.version AND excluded.state IS NULL AND p.state IS NOT NULL) "
    "RETURNING p.workspace, p.profile_id"
)
_RESOLVE = text(
    "WITH RECURSIVE path AS ("
    "SELECT workspace, asked, asked AS at, 0 AS depth FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:ids AS text[])) AS w(workspace, asked) "
    "UNION ALL SELECT path.workspace, path.asked, p.merged_into, depth + 1 FROM path "
    "JOIN campaign.person p ON p.workspace = path.workspace AND p.profile_id = path.at "
    "AND p.merged_into IS NOT NULL WHERE depth < :deep) "
    "SELECT DISTINCT ON (workspace, asked) workspace, asked, at FROM path "
    "ORDER BY workspace, asked, depth DESC"
)
_LOAD = (
    "SELECT workspace, profile_id, version, merged_into, state::text AS state FROM campaign.person "
    "WHERE (workspace, profile_id) IN (SELECT * FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:ids AS text[]))) ORDER BY workspace, profile_id"
)
# An end counts whether or not the beginning is known yet.
_STAYS = text(
    "INSERT INTO campaign.entry AS e (workspace, segment_id, entry_id, profile_id, "
    "profile_version, cause, at, event_timestamp, ended_at, historic) SELECT * FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:segments AS text[]), CAST(:entries AS text[]), "
    "CAST(:profiles AS text[]), CAST(:versions AS bigint[]), CAST(:causes AS text[]), "
    "CAST(:ats AS timestamptz[]), CAST(:events AS timestamptz[]), CAST(:ends AS timestamptz[]), "
    "CAST(:historic AS bool[])) "
    "ON CONFLICT (workspace, segment_id, entry_id) DO UPDATE SET ended_at = excluded.ended_at "
    "WHERE e.ended_at IS NULL AND excluded.ended_at IS NOT NULL"
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a record says about a profile: a state (JSON), or its end.

    An end has an heir, whose state speaks for both from `into_version` on, or none: then nobody
    has the id any more.
    """

    version: int
    state: str | None = None
    merged_into: str | None = None
    into_version: int = 0

    @property
    def rank(self) -> tuple[int, bool]:
        """Orders what is said of one profile: at the same version its end is the newer word."""
        return self.version, self.state is None


async def save(tx: AsyncConnection, snapshots: Mapping[ProfileKey, Snapshot]) -> list[ProfileKey]:
    """Keep those that are newer than what is there; which ones those were."""
    if not snapshots:
        return []
    kept = list(snapshots.values())
    rows = await tx.execute(
        _SAVE,
        {
            **_keys(snapshots),
            "versions": [one.version for one in kept],
            "merged": [one.merged_into for one in kept],
            "intos": [one.into_version for one in kept],
            "states": [one.state for one in kept],
        },
    )
    return [(row.workspace, row.profile_id) for row in rows]


async def resolve(tx: AsyncConnection, keys: Iterable[ProfileKey]) -> dict[ProfileKey, str]:
    """Who each profile id is now, after all merges; an id without a merge is itself."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(_RESOLVE, {**_keys(wanted), "deep": MAX_CHAIN})
    return {(row.workspace, row.asked): row.at for row in rows}


async def load(
    tx: AsyncConnection, keys: Iterable[ProfileKey], *, lock: bool = False
) -> dict[ProfileKey, Person]:
    """The people that are known; with `lock` nobody changes them before the commit."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await tx.execute(text(_LOAD + (" FOR SHARE" if lock else "")), _keys(wanted))
    return {
        (row.workspace, row.profile_id): Person(
            row.profile_id,
            row.version,
            _state.decode(row.state) if row.state else None,
            gone=row.state is None and row.merged_into is None,
        )
        for row in rows
    }


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
            "workspaces": [one.workspace for one, _ in ordered],
            "segments": [one.segment_id for one, _ in ordered],
            "entries": [one.entry_id for one, _ in ordered],
            "profiles": [one.profile_id for one, _ in ordered],
            "versions": [one.profile_version for one, _ in ordered],
            "causes": [one.cause for one, _ in ordered],
            "ats": [one.at for one, _ in ordered],
            "events": [one.event_timestamp for one, _ in ordered],
            "ends": [ended_at for _, ended_at in ordered],
            "historic": [one.historic for one, _ in ordered],
        },
    )


def _keys(keys: Iterable[ProfileKey]) -> dict[str, list[str]]:
    listed = list(keys)
    return {"workspaces": [one[0] for one in listed], "ids": [one[1] for one in listed]}
