"""Profiles in the order of their ids, and events in that of the identifiers they are stored under,
to be told again: whose they are is locked while they are read.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.people import Profile
from rapport_profile.domain.published import Summary
from rapport_profile.store import computed_traits, people

PAGE_BYTES = 4 * 1024 * 1024
"""Of what is stored of the profiles of a page, about."""

_FIRST = ("00000000-0000-0000-0000-000000000000", datetime.min.replace(tzinfo=UTC), "", "")

_summary = msgspec.json.Decoder(Summary)

_COUNT = text(
    "SELECT count(*) FROM profile.profile "
    "WHERE (CAST(:workspace AS text) IS NULL OR workspace = :workspace) "
    "AND (merged_into IS NULL OR NOT CAST(:living AS boolean))"
)
_LAST = text(
    "SELECT CAST(id AS text) FROM profile.profile WHERE workspace = :workspace "
    "ORDER BY id DESC LIMIT 1"
)
_WORKSPACE_AFTER = text(
    "SELECT workspace FROM profile.profile WHERE workspace > :workspace ORDER BY workspace LIMIT 1"
)
_IDS = text(
    "SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM ("
    "SELECT id, coalesce(octet_length(CAST(summary AS text)), 0) AS size FROM profile.profile "
    "WHERE workspace = :workspace AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) "
    "AND id <= CAST(:until AS uuid) ORDER BY id LIMIT :limit) AS first) AS page "
    "WHERE before < :bytes ORDER BY id"
)
_PAGE = text(
    # A batch updates these rows before it writes to the outbox, in the same order.
    "SELECT CAST(id AS text) AS id, version, CAST(merged_into AS text) AS merged_into, "
    "CAST(summary AS text) AS summary FROM profile.profile "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR SHARE"
)
_KEY = "t.identifier_id, t.timestamp, t.source, t.message_id"
_BEHIND = (
    f"({_KEY}) > (CAST(:after_hub AS uuid), CAST(:after_time AS timestamptz), "
    ":after_source, :after_message)"
)
_EVENT_PLACES = text(
    f"SELECT CAST(t.identifier_id AS text), t.timestamp, t.source, t.message_id "
    f"FROM profile.timeline t WHERE t.workspace = :workspace AND {_BEHIND} "
    f"ORDER BY {_KEY} LIMIT :limit"
)
_OWNERS = text(
    # In the order of a batch, as in `_PAGE`.
    "SELECT CAST(id AS text) AS id, version FROM profile.profile WHERE workspace = :workspace "
    "AND id IN (SELECT profile_id FROM profile.identifier WHERE workspace = :workspace "
    "AND id = ANY(CAST(:hubs AS uuid[]))) ORDER BY id FOR SHARE"
)
_EVENTS = text(
    "SELECT CAST(t.identifier_id AS text) AS hub, t.timestamp, t.source, t.message_id, "
    "CAST(t.event AS text) AS event, i.kind, i.value, CAST(i.profile_id AS text) AS profile_id, "
    # In one look with the place: who moves the event meanwhile tells it with a greater number.
    "coalesce(n.replaced + n.moved, 0) AS told FROM profile.timeline t "
    "JOIN profile.identifier i ON i.workspace = t.workspace AND i.id = t.identifier_id "
    "LEFT JOIN profile.inbox n ON (n.workspace, n.source, n.message_id) "
    "= (t.workspace, t.source, t.message_id) "
    f"WHERE t.workspace = :workspace AND {_BEHIND} AND ({_KEY}) <= (CAST(:last_hub AS uuid), "
    "CAST(:last_time AS timestamptz), :last_source, :last_message) "
    f"AND i.profile_id IS NOT NULL ORDER BY {_KEY}"
)

EventPlace = tuple[str, datetime, str, str]
"""(id of the identifier, timestamp, source, message id): where an event is stored."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """At most `limit` profiles of a workspace, after one id and up to another."""

    workspace: str
    after: str | None
    until: str
    limit: int


async def count(tx: AsyncConnection, workspace: str | None, *, living: bool = False) -> int:
    """How many profiles a workspace has, those that are history too unless the `living` ones are
    wanted; None: all workspaces.
    """
    found = await tx.execute(_COUNT, {"workspace": workspace, "living": living})
    return int(found.scalar_one())


async def last(tx: AsyncConnection, workspace: str) -> str | None:
    """The largest id of a workspace's profiles, the newest one's."""
    found = await tx.execute(_LAST, {"workspace": workspace})
    return found.scalar()


async def workspace_after(tx: AsyncConnection, workspace: str) -> str | None:
    """The next workspace that has profiles, by name."""
    found = await tx.execute(_WORKSPACE_AFTER, {"workspace": workspace})
    return found.scalar()


async def page(tx: AsyncConnection, stretch: Stretch) -> list[Profile]:
    """The first profiles of a stretch, locked so that nothing is told of them meanwhile."""
    asked = {
        "workspace": stretch.workspace,
        "after": stretch.after,
        "until": stretch.until,
        "limit": stretch.limit,
        "bytes": PAGE_BYTES,
    }
    ids = [str(one) for one in (await tx.execute(_IDS, asked)).scalars()]
    if not ids:
        return []
    rows = await tx.execute(_PAGE, {"workspace": stretch.workspace, "ids": ids})
    profiles: list[Profile] = []
    for row in rows.fetchall():
        if row.summary is not None:
            summary = _summary.decode(row.summary)
            profile = Profile.of(row.id, stretch.workspace, row.version, summary)
        elif row.merged_into is not None:
            profile = Profile(row.id, stretch.workspace, row.version)
        else:
            profile = await _made(tx, stretch.workspace, row.id, row.version)
        profile.merged_into = row.merged_into
        profiles.append(profile)
    await computed_traits.settle(tx, stretch.workspace, profiles)
    return profiles


async def event_places(
    tx: AsyncConnection, workspace: str, after: EventPlace | None, limit: int
) -> list[EventPlace]:
    """Where the next events of a workspace are."""
    asked = {"workspace": workspace, "limit": limit, **_bound("after", after or _FIRST)}
    return [(row[0], row[1], row[2], row[3]) for row in await tx.execute(_EVENT_PLACES, asked)]


async def owners(tx: AsyncConnection, workspace: str, hubs: Collection[str]) -> dict[str, int]:
    """{id: version} of the profiles that identifiers belong to, locked: these identifiers stay
    theirs, but some may have become another's just before.
    """
    asked = {"workspace": workspace, "hubs": sorted(hubs)}
    return {row.id: row.version for row in await tx.execute(_OWNERS, asked)}


async def events(
    tx: AsyncConnection, workspace: str, after: EventPlace | None, last: EventPlace
) -> Sequence[Row[Any]]:
    """Rows of (hub, timestamp, source, message_id, event as JSON, kind and value of the hub,
    profile_id, `inbox.Copy.told`) behind `after` up to `last`, in their order; without those that
    are nobody's.
    """
    asked = {**_bound("after", after or _FIRST), **_bound("last", last)}
    return (await tx.execute(_EVENTS, {"workspace": workspace, **asked})).fetchall()


def _bound(name: str, place: EventPlace) -> dict[str, Any]:
    hub, time, source, message = place
    return {
        f"{name}_hub": hub,
        f"{name}_time": time,
        f"{name}_source": source,
        f"{name}_message": message,
    }


async def _made(tx: AsyncConnection, workspace: str, profile_id: str, version: int) -> Profile:
    """A profile stored before there were summaries: what its identifiers amount to.

    They are not locked; but whoever changes one of them changes the profile's row with it.
    """
    working = Loaded()
    await people.load_members(tx, working, {(workspace, profile_id)})
    return working.profiles.get(profile_id) or Profile(profile_id, workspace, version)
