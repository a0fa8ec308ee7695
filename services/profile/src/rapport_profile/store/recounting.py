"""Identifiers in the order of their ids with their timelines, to be worked out anew."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.envelope import Event
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.naming import Id
from rapport_profile.store import group_facts, loyalty
from rapport_profile.store.inbox import stored_event

PIECE = 500
"""Events of a timeline that are held at a time."""

_fold = msgspec.json.Decoder(Fold)

_COUNT = text("SELECT count(*) FROM profile.identifier WHERE workspace = :workspace")
_PAGE = text(
    "SELECT CAST(id AS text) FROM profile.identifier WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR id > CAST(:after AS uuid)) ORDER BY id LIMIT :limit"
)
_TIMELINES = text(
    "SELECT CAST(identifier_id AS text) AS hub, CAST(event AS text) AS event "
    "FROM profile.timeline WHERE workspace = :workspace "
    "AND identifier_id = ANY(CAST(:ids AS uuid[])) ORDER BY identifier_id"
)
_EXPIRED = text(
    "SELECT CAST(id AS text) AS id, CAST(expired AS text) AS fold FROM profile.identifier "
    "WHERE workspace = :workspace AND id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"
)
_FIRST_OF = text(
    # Each profile is looked at with the page that has the smallest of its identifiers.
    "SELECT CAST(profile_id AS text) AS id FROM profile.identifier "
    "WHERE workspace = :workspace AND profile_id = ANY(CAST(:profiles AS uuid[])) "
    "GROUP BY profile_id HAVING (array_agg(id ORDER BY id))[1] = ANY(CAST(:ids AS uuid[]))"
)
_MOVE = text(
    "UPDATE profile.timeline t SET identifier_id = v.hub FROM unnest("
    f"{packed('former', 'uuid')}, {packed('hubs', 'uuid')}, CAST(:times AS timestamptz[]), "
    f"{packed('sources', 'text')}, CAST(:messages AS text[])) "
    "AS v(former, hub, timestamp, source, message_id) WHERE t.workspace = :workspace "
    "AND t.identifier_id = v.former AND t.timestamp = v.timestamp AND t.source = v.source "
    "AND t.message_id = v.message_id"
)
_MOVE_COPIES = text(
    "UPDATE profile.inbox t SET identifier_id = v.hub, moved = t.moved + 1 "
    f"FROM unnest({packed('hubs', 'uuid')}, {packed('sources', 'text')}, "
    "CAST(:messages AS text[])) AS v(hub, source, message_id) "
    "WHERE t.workspace = :workspace AND t.source = v.source AND t.message_id = v.message_id "
    "RETURNING t.source, t.message_id, t.replaced + t.moved AS told"
)


class Moved(NamedTuple):
    """An event under another identifier, and `inbox.Copy.told` of it."""

    hub: Id
    event: Event
    told: int


async def count(tx: AsyncConnection, workspace: str) -> int:
    """How many identifiers a workspace has."""
    return int((await tx.execute(_COUNT, {"workspace": workspace})).scalar_one())


async def page(tx: AsyncConnection, workspace: str, after: Id | None, limit: int) -> list[Id]:
    """The next identifiers in the order of their ids."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return [str(one) for one in (await tx.execute(_PAGE, asked)).scalars()]


async def timelines(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id]
) -> AsyncIterator[tuple[Id, list[Event]]]:
    """(identifier, some of its events), all of one before the next; not all is held at once."""
    rows = await tx.stream(_TIMELINES, {"workspace": workspace, "ids": list(ids)})
    hub, events = "", list[Event]()
    async for row in rows:
        if row.hub != hub or len(events) >= PIECE:
            if events:
                yield hub, events
            hub, events = row.hub, []
        events.append(stored_event(row.event))
    if events:
        yield hub, events


async def expired(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> dict[Id, Fold]:
    """What the events amounted to that retention has removed, of those who had some.

    The rows of all are locked: no event goes from the timelines, which are read after this, to
    these folds before the transaction ends.
    """
    rows = await tx.execute(_EXPIRED, {"workspace": workspace, "ids": list(ids)})
    return {row.id: _fold.decode(row.fold) for row in rows if row.fold is not None}


async def begun(
    tx: AsyncConnection, workspace: str, profiles: Collection[Id], ids: Sequence[Id]
) -> set[Id]:
    """Those of the profiles whose smallest identifier is one of `ids`."""
    asked = {"workspace": workspace, "profiles": sorted(profiles), "ids": list(ids)}
    return {row.id for row in await tx.execute(_FIRST_OF, asked)}


async def move(
    tx: AsyncConnection, workspace: str, leaving: Mapping[Id, Mapping[Id, Sequence[Event]]]
) -> list[Moved]:
    """Put events under another identifier: {former: {new: events}}."""
    moved = [
        (former, hub, event)
        for former, some in leaving.items()
        for hub, events in some.items()
        for event in events
    ]
    if not moved:
        return []
    copies = {
        "workspace": workspace,
        "hubs": pack(one[1] for one in moved),
        "sources": pack(one[2].source for one in moved),
        "messages": [one[2].message_id for one in moved],
    }
    times = {"former": pack(one[0] for one in moved), "times": [one[2].timestamp for one in moved]}
    await tx.execute(_MOVE, {**copies, **times})
    rows = await tx.execute(_MOVE_COPIES, copies)
    forms = {(row.source, row.message_id): row.told for row in rows}
    await loyalty.move_facts(tx, copies)
    await group_facts.move(tx, copies)
    return [
        Moved(hub, event, forms.get((event.source, event.message_id), 0))
        for _former, hub, event in moved
    ]
