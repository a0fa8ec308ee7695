"""What is kept for computed traits: a state for each trait of an identifier, or of a profile."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_profile.domain.computed.states import State, joined_by_trait
from rapport_profile.domain.computed.totals import Owner, States
from rapport_profile.domain.naming import Id
from rapport_profile.store import recounting
from rapport_profile.store.computed_traits import SHELF

_decoder = msgspec.json.Decoder(State)

_OWNERS = f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')})"
_FOUND = "SELECT s.workspace, CAST(s.owner_id AS text) AS owner, s.trait, CAST(s.state AS text)"
_SINGLE = text(
    f"{_FOUND} FROM profile.computed_state s JOIN unnest({packed('workspaces', 'text')}, "
    f"{packed('ids', 'uuid')}, {packed('traits', 'bigint')}) AS v(workspace, owner_id, trait) "
    "USING (workspace, owner_id, trait)"
)
_WHOLE = text(
    f"{_FOUND} FROM profile.computed_state s JOIN {_OWNERS} AS v(workspace, owner_id) "
    "USING (workspace, owner_id)"
)
_VALUES = (
    f"SELECT v.workspace, v.owner_id, v.trait, CAST(v.state AS json) FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('traits', 'bigint')}, "
    "CAST(:states AS text[])) AS v(workspace, owner_id, trait, state)"
)
_SAVE = text(
    f"INSERT INTO profile.computed_state (workspace, owner_id, trait, state) {_VALUES} "
    "ON CONFLICT (workspace, owner_id, trait) DO UPDATE SET state = excluded.state"
)
_CLEAR = text(
    f"DELETE FROM profile.computed_state s USING {_OWNERS} AS v(workspace, owner_id) "
    "WHERE s.workspace = v.workspace AND s.owner_id = v.owner_id"
)
_EXPIRED = text(
    "SELECT e.workspace, CAST(e.identifier_id AS text) AS owner, e.trait, CAST(e.state AS text) "
    f"FROM profile.computed_expired e JOIN {_OWNERS} AS v(workspace, identifier_id) "
    "USING (workspace, identifier_id)"
)
_EXPIRE = text(
    f"INSERT INTO profile.computed_expired (workspace, identifier_id, trait, state) {_VALUES} "
    "ON CONFLICT (workspace, identifier_id, trait) DO UPDATE SET state = excluded.state"
)
_MEMBERS = text(
    "SELECT CAST(i.profile_id AS text) AS profile_id, CAST(i.id AS text) AS id "
    f"FROM profile.identifier i JOIN {_OWNERS} AS v(workspace, profile_id) "
    "USING (workspace, profile_id)"
)
_OF = "workspace = :workspace AND {0} = ANY(CAST(:ids AS uuid[]))"
_FORGET = text(f"DELETE FROM profile.computed_state WHERE {_OF.format('owner_id')}")
_FORGET_EXPIRED = text(f"DELETE FROM profile.computed_expired WHERE {_OF.format('identifier_id')}")
_DROP = (
    "DELETE FROM profile.{0} WHERE ctid = ANY(ARRAY(SELECT ctid FROM profile.{0} "
    "WHERE workspace = :workspace AND trait = ANY(CAST(:traits AS bigint[])) LIMIT :limit))"
)
_DROPS = [text(_DROP.format(table)) for table in ("computed_state", "computed_expired")]


async def single(
    tx: AsyncConnection, wanted: Collection[tuple[str, Id, int]]
) -> dict[Owner, States]:
    """States of single traits of owners: (workspace, owner, trait)."""
    if not wanted:
        return {}
    ordered = sorted(wanted)
    asked = {
        "workspaces": pack(one[0] for one in ordered),
        "ids": pack(one[1] for one in ordered),
        "traits": pack(str(one[2]) for one in ordered),
    }
    return _by_owner(await tx.execute(_SINGLE, asked))


async def whole(tx: AsyncConnection, owners: Collection[Owner]) -> dict[Owner, States]:
    """All states of some owners."""
    if not owners:
        return {}
    return _by_owner(await tx.execute(_WHOLE, _scoped(owners)))


async def members(tx: AsyncConnection, profiles: Collection[Owner]) -> list[tuple[Id, Id]]:
    """(profile, identifier) of profiles, as it is stored."""
    rows = await tx.execute(_MEMBERS, _scoped(profiles))
    return [(row.profile_id, row.id) for row in rows]


async def save(
    tx: AsyncConnection, rows: Mapping[Owner, States], cleared: Collection[Owner] = ()
) -> None:
    """Write states; before that those of `cleared` go."""
    if cleared:
        await tx.execute(_CLEAR, _scoped(cleared))
    if rows:
        await tx.execute(_SAVE, _columns(rows))


async def expire(tx: AsyncConnection, gone: Mapping[Owner, Sequence[Event]]) -> None:
    """Keep what events amount to that retention removes; their identifiers are locked."""
    book = await SHELF.book(tx, {workspace for workspace, _id in gone})
    added = {key: book.of(key[0]).of_events(events) for key, events in gone.items()}
    added = {key: states for key, states in added.items() if states}
    if not added:
        return
    known = await expired(tx, added)
    totals = {key: joined_by_trait(known.get(key, {}), some) for key, some in added.items()}
    await tx.execute(_EXPIRE, _columns(totals))


async def expired(tx: AsyncConnection, owners: Collection[Owner]) -> dict[Owner, States]:
    """What events amount to that retention has removed, by identifier."""
    return _by_owner(await tx.execute(_EXPIRED, _scoped(owners)))


async def recount(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], traits: Collection[int] | None = None
) -> set[Id]:
    """Make the states of identifiers, which are locked and settled, what their events amount to.

    Of these traits, or of all; those of which that was not so, where it should have been.
    """
    book = (await SHELF.book(tx, {workspace})).of(workspace)
    if not (ids and book.by_id):
        return set()
    chosen = book.by_id.keys() if traits is None else book.by_id.keys() & set(traits)
    owners = [(workspace, one) for one in ids]
    right = {key: _only(some, chosen) for key, some in (await expired(tx, owners)).items()}
    async for hub, events in recounting.timelines(tx, workspace, ids):
        key = (workspace, hub)
        more = _only(book.of_events(events), chosen)
        right[key] = joined_by_trait(right.get(key, {}), more)
    stored = await whole(tx, owners)
    # Those that are being filled are not yet what they will be.
    judged = {one for one in chosen if traits is not None or book.by_id[one].stage != "filling"}
    changed: dict[Owner, States] = {}
    wrong: set[Id] = set()
    for key in owners:
        known, made = stored.get(key, {}), right.get(key, {})
        if _only(known, chosen) != made:
            left = {trait: one for trait, one in known.items() if trait not in chosen}
            changed[key] = {**left, **made}
        if _only(known, judged) != _only(made, judged):
            wrong.add(key[1])
    await save(tx, {key: some for key, some in changed.items() if some}, changed)
    return wrong


async def forget(tx: AsyncConnection, workspace: str, owners: Collection[Id]) -> dict[str, int]:
    """Remove all of identifiers and profiles; how many rows, by table."""
    asked = {"workspace": workspace, "ids": sorted(owners)}
    return {
        "profile.computed_state": (await tx.execute(_FORGET, asked)).rowcount,
        "profile.computed_expired": (await tx.execute(_FORGET_EXPIRED, asked)).rowcount,
    }


async def drop(tx: AsyncConnection, workspace: str, traits: Sequence[int], limit: int) -> int:
    """Remove some states of versions that are no more; how many."""
    asked = {"workspace": workspace, "traits": list(traits), "limit": limit}
    number = 0
    for statement in _DROPS:
        number += (await tx.execute(statement, asked)).rowcount
    return number


def _only(states: Mapping[int, State], chosen: Collection[int]) -> States:
    return {trait: one for trait, one in states.items() if trait in chosen}


def _scoped(owners: Collection[Owner]) -> dict[str, Any]:
    ordered = sorted(owners)
    return {"workspaces": pack(one[0] for one in ordered), "ids": pack(one[1] for one in ordered)}


def _columns(rows: Mapping[Owner, States]) -> dict[str, Any]:
    ordered = [(*owner, trait) for owner, states in rows.items() for trait in states]
    ordered.sort()
    return {
        "workspaces": pack(one[0] for one in ordered),
        "ids": pack(one[1] for one in ordered),
        "traits": pack(str(one[2]) for one in ordered),
        "states": [encode(rows[one[:2]][one[2]]).decode() for one in ordered],
    }


def _by_owner(rows: Any) -> dict[Owner, States]:
    found: dict[Owner, States] = {}
    for workspace, owner, trait, state in rows:
        found.setdefault((workspace, owner), {})[trait] = _decoder.decode(state)
    return found
