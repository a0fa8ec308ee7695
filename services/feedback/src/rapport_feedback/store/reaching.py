"""Where people are reached, who they are by their names, and who is in which segment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.activity import ContactPoint
from rapport_common.follower.domain import Key

_decode = msgspec.json.Decoder(list[ContactPoint]).decode
_REACH = text(
    "INSERT INTO feedback.person_reach AS r (workspace, profile_id, points) "
    "SELECT v.workspace, v.profile_id, CAST(v.points AS jsonb) FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:profiles AS text[]), CAST(:told AS text[])) "
    "AS v(workspace, profile_id, points) ORDER BY 1, 2 "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET points = excluded.points "
    "WHERE r.points IS DISTINCT FROM excluded.points"
)
_SPEAK = text(
    "INSERT INTO feedback.person_reach AS r (workspace, profile_id, language) "
    "SELECT v.workspace, v.profile_id, v.language FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:profiles AS text[]), CAST(:told AS text[])) "
    "AS v(workspace, profile_id, language) ORDER BY 1, 2 "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET language = excluded.language "
    "WHERE r.language IS DISTINCT FROM excluded.language"
)
_GONE = text(
    "DELETE FROM feedback.person_reach r USING unnest(CAST(:workspaces AS text[]), "
    "CAST(:profiles AS text[])) AS v(workspace, profile_id) "
    "WHERE r.workspace = v.workspace AND r.profile_id = v.profile_id"
)
_WHO = text(
    "SELECT i.profile_id, i.kind, i.value FROM feedback.identity i "
    "WHERE i.workspace = :workspace AND i.profile_id = ANY(CAST(:profiles AS text[])) "
    "ORDER BY i.kind, i.value"
)
_POINTS = text(
    "SELECT profile_id, CAST(points AS text) AS points, language FROM feedback.person_reach "
    "WHERE workspace = :workspace AND profile_id = ANY(CAST(:profiles AS text[]))"
)
_ENTER = text(
    "INSERT INTO feedback.segment_stay (workspace, segment_id, profile_id, entry_id, entered_at) "
    "SELECT * FROM unnest(CAST(:workspaces AS text[]), CAST(:segments AS text[]), "
    "CAST(:profiles AS text[]), CAST(:entries AS text[]), CAST(:times AS timestamptz[])) "
    "ORDER BY 1, 2, 3 ON CONFLICT (workspace, segment_id, profile_id) DO UPDATE "
    "SET entry_id = excluded.entry_id, entered_at = excluded.entered_at"
)
_LEAVE = text(
    "DELETE FROM feedback.segment_stay s USING unnest(CAST(:workspaces AS text[]), "
    "CAST(:segments AS text[]), CAST(:profiles AS text[]), CAST(:entries AS text[])) "
    "AS v(workspace, segment_id, profile_id, entry_id) WHERE s.workspace = v.workspace "
    "AND s.segment_id = v.segment_id AND s.profile_id = v.profile_id AND s.entry_id = v.entry_id"
)
_STAYS = text(
    "SELECT profile_id, entry_id FROM feedback.segment_stay WHERE workspace = :workspace "
    "AND segment_id = :segment_id AND profile_id > :after AND entered_at < :before "
    "ORDER BY profile_id LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Reach:
    """A person's names by kind, where they are reached now, and which language they speak."""

    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    points: Sequence[ContactPoint] = ()
    language: str = ""

    def at(self, channel: str) -> str | None:
        """The newest address by a channel at which they surely are; None when there is none."""
        fitting = (
            one.value
            for one in self.points
            if one.channel == channel and one.verified and one.state == "ok"
        )
        return next(fitting, None)


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody in a segment, or who has left it; an entry and its exit share the `entry_id`."""

    workspace: str
    segment_id: str
    profile_id: str
    entry_id: str
    at: datetime


async def keep_points(tx: AsyncConnection, told: Mapping[Key, Sequence[ContactPoint]]) -> None:
    """Make the stored contact points of these profiles the given ones."""
    texts = {key: msgspec.json.encode(points).decode() for key, points in told.items()}
    await _tell(tx, _REACH, texts)


async def keep_languages(tx: AsyncConnection, told: Mapping[Key, str]) -> None:
    """The same of their languages."""
    await _tell(tx, _SPEAK, told)


async def _tell(tx: AsyncConnection, statement: object, told: Mapping[Key, str]) -> None:
    if told:
        given = {**_keys(told), "told": [told[key] for key in sorted(told)]}
        await tx.execute(statement, given)  # type: ignore[call-overload] # one of the two above


async def drop(tx: AsyncConnection, gone: Iterable[Key]) -> None:
    """Forget where these are reached: they are history."""
    keys = set(gone)
    if keys:
        await tx.execute(_GONE, _keys(keys))


def _keys(keys: Iterable[Key]) -> dict[str, object]:
    ordered = sorted(keys)
    return {"workspaces": [one[0] for one in ordered], "profiles": [one[1] for one in ordered]}


async def reaches(tx: AsyncConnection, workspace: str, profiles: Iterable[str]) -> dict[str, Reach]:
    """What is known of these profiles; one that has no name is not among them."""
    wanted = sorted(set(profiles))
    if not wanted:
        return {}
    given = {"workspace": workspace, "profiles": wanted}
    names: dict[str, dict[str, list[str]]] = {}
    for profile_id, kind, value in await tx.execute(_WHO, given):
        names.setdefault(profile_id, {}).setdefault(kind, []).append(value)
    points = {row.profile_id: row for row in await tx.execute(_POINTS, given)}
    return {
        profile_id: Reach(
            own,
            _decode(points[profile_id].points) if profile_id in points else (),
            (points[profile_id].language or "") if profile_id in points else "",
        )
        for profile_id, own in names.items()
    }


async def move(tx: AsyncConnection, entered: Sequence[Stay], exited: Sequence[Stay]) -> None:
    """Note who is in which segment: each (segment, profile) once in `entered`."""
    if exited:
        await tx.execute(_LEAVE, _stays(exited))
    if entered:
        times = [one.at for one in entered]
        await tx.execute(_ENTER, {**_stays(entered), "times": times})


def _stays(stays: Sequence[Stay]) -> dict[str, object]:
    return {
        "workspaces": [one.workspace for one in stays],
        "segments": [one.segment_id for one in stays],
        "profiles": [one.profile_id for one in stays],
        "entries": [one.entry_id for one in stays],
    }


async def stays(
    tx: AsyncConnection,
    workspace: str,
    segment_id: str,
    *,
    after: str,
    before: datetime,
    limit: int,
) -> list[tuple[str, str]]:
    """(profile, entry id) of who is in a segment since before an instant, by profile."""
    rows = await tx.execute(
        _STAYS,
        {
            "workspace": workspace,
            "segment_id": segment_id,
            "after": after,
            "before": before,
            "limit": limit,
        },
    )
    return [(row.profile_id, row.entry_id) for row in rows]
