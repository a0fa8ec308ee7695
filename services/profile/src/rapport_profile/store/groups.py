"""Groups as they are: their traits, and who is in them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.events.envelope import Identifier
from rapport_profile.domain.groups.membership import Membership
from rapport_profile.domain.groups.traits import Traits
from rapport_profile.domain.naming import Id
from rapport_profile.domain.traits import Trait
from rapport_profile.store.people import Scoped, scoped

_state = msgspec.json.Decoder(dict[str, Trait])
_encoder = msgspec.json.Encoder(decimal_format="string")

_ENSURE = text(
    "INSERT INTO profile.group_profile (workspace, id, kind, key, traits) "
    "SELECT v.*, '{}' FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), CAST(:kinds AS text[]), "
    "CAST(:keys AS text[])) AS v(w, i, k, y) ORDER BY w, i ON CONFLICT DO NOTHING"
)
_COLUMNS = (
    "CAST(g.id AS text) AS id, g.kind, g.key, CAST(g.traits AS text) AS traits, "
    "CAST(g.expired AS text) AS expired, g.is_known, g.updated_at, g.deleted_at"
)
_OF = f"SELECT {_COLUMNS} FROM profile.group_profile g WHERE g.workspace = :workspace "
_ONE = text(f"{_OF} AND g.id = CAST(:id AS uuid)")
_LOCK = text(f"{_OF} AND g.id = CAST(:id AS uuid) FOR UPDATE")
_LOCK_FREE = text(f"{_OF} AND g.id = CAST(:id AS uuid) FOR UPDATE SKIP LOCKED")
_LIST = text(
    f"{_OF} AND g.is_known AND (CAST(:kind AS text) IS NULL OR g.kind = :kind) "
    "AND (CAST(:after_kind AS text) IS NULL "
    "OR (g.kind, g.key) > (:after_kind, :after_key)) ORDER BY g.kind, g.key LIMIT :limit"
)
_AMONG = text(f"{_OF} AND g.is_known AND g.id = ANY(CAST(:ids AS uuid[]))")
_IDS = text(
    "SELECT CAST(id AS text) FROM profile.group_profile WHERE workspace = :workspace "
    "AND id > CAST(:after AS uuid) ORDER BY id LIMIT :limit"
)
_SAVE = text(
    "UPDATE profile.group_profile SET traits = CAST(:traits AS json), "
    "expired = CAST(:expired AS json), is_known = :is_known, "
    "updated_at = CASE WHEN :changed THEN clock_timestamp() ELSE updated_at END "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_DELETE = text(
    "UPDATE profile.group_profile SET traits = '{}', expired = NULL, is_known = false, "
    "deleted_at = clock_timestamp(), updated_at = clock_timestamp(), deleted_by = :actor, "
    "deleted_reason = :reason WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_MEMBERS = text(
    "SELECT CAST(profile_id AS text) AS profile_id, since, role, is_verified "
    "FROM profile.group_member WHERE workspace = :workspace AND group_id = CAST(:id AS uuid) "
    "AND (CAST(:after AS uuid) IS NULL OR profile_id > CAST(:after AS uuid)) "
    "ORDER BY profile_id LIMIT :limit"
)
_COUNT = text(
    "SELECT count(*) FROM (SELECT FROM profile.group_member WHERE workspace = :workspace "
    "AND group_id = CAST(:id AS uuid) LIMIT :limit) AS counted"
)
_OF_PEOPLE = text(
    "SELECT workspace, CAST(profile_id AS text) AS profile_id, "
    "CAST(group_id AS text) AS group_id, since, role, is_verified FROM profile.group_member "
    "WHERE (workspace, profile_id) IN (SELECT * FROM unnest("
    "string_to_array(CAST(:workspaces AS text), ',', ''), "
    "CAST(string_to_array(CAST(:ids AS text), ',', '') AS uuid[])))"
)
_ENTER = text(
    "INSERT INTO profile.group_member AS m "
    "(workspace, group_id, profile_id, since, role, is_verified) SELECT * FROM unnest("
    "CAST(:workspaces AS text[]), CAST(:groups AS uuid[]), CAST(:profiles AS uuid[]), "
    "CAST(:since AS timestamptz[]), CAST(:roles AS text[]), CAST(:verified AS boolean[])) "
    "AS v(w, g, p, s, r, t) ORDER BY w, g, p ON CONFLICT (workspace, group_id, profile_id) "
    "DO UPDATE SET since = excluded.since, role = excluded.role, "
    "is_verified = excluded.is_verified"
)
_LEAVE = text(
    "DELETE FROM profile.group_member m USING unnest(CAST(:workspaces AS text[]), "
    "CAST(:groups AS uuid[]), CAST(:profiles AS uuid[])) AS v(workspace, group_id, profile_id) "
    "WHERE m.workspace = v.workspace AND m.group_id = v.group_id AND m.profile_id = v.profile_id"
)
_EMPTY = text(
    "DELETE FROM profile.group_member WHERE workspace = :workspace "
    "AND group_id = CAST(:id AS uuid) AND profile_id IN (SELECT profile_id "
    "FROM profile.group_member WHERE workspace = :workspace AND group_id = CAST(:id AS uuid) "
    "LIMIT :limit) RETURNING CAST(profile_id AS text)"
)
_MAKE_TOLD = text(
    "INSERT INTO profile.group_told (workspace, profile_id) SELECT w, i FROM unnest("
    "string_to_array(CAST(:workspaces AS text), ',', ''), "
    "CAST(string_to_array(CAST(:ids AS text), ',', '') AS uuid[])) AS v(w, i) "
    "ORDER BY w, i ON CONFLICT DO NOTHING"
)
_TOLD = text(
    "SELECT workspace, CAST(profile_id AS text) AS profile_id, CAST(told AS text) AS told "
    "FROM profile.group_told WHERE (workspace, profile_id) IN (SELECT * FROM unnest("
    "string_to_array(CAST(:workspaces AS text), ',', ''), "
    "CAST(string_to_array(CAST(:ids AS text), ',', '') AS uuid[])))"
)
_TELL = text(
    "INSERT INTO profile.group_told (workspace, profile_id, told) "
    "VALUES (:workspace, CAST(:id AS uuid), CAST(:told AS json)) "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET told = excluded.told"
)
_NAMES = text(
    "SELECT DISTINCT ON (i.workspace, i.profile_id) i.workspace, "
    "CAST(i.profile_id AS text) AS profile_id, i.kind, i.value FROM unnest("
    "string_to_array(CAST(:workspaces AS text), ',', ''), "
    "CAST(string_to_array(CAST(:ids AS text), ',', '') AS uuid[])) AS v(workspace, profile_id) "
    "JOIN profile.identifier i ON i.workspace = v.workspace AND i.profile_id = v.profile_id "
    "ORDER BY i.workspace, i.profile_id, i.kind <> 'user_id', i.id"
)
_FORGET_TOLD = text(
    "DELETE FROM profile.group_told WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:ids AS uuid[]))"
)
_FORGET = text(
    "DELETE FROM profile.group_member WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:ids AS uuid[]))"
)


class Group(NamedTuple):
    """A group as it is kept; `expired`: the traits of facts that are gone.

    `is_known`: something that counts speaks of it since it was deleted, if it was. `updated_at`:
    when it was last shown with other traits.
    """

    id: Id
    kind: str
    key: str
    traits: Traits
    expired: Traits
    is_known: bool
    updated_at: datetime
    deleted_at: datetime | None


class Member(NamedTuple):
    """Somebody's part in a group, as others see it."""

    since: datetime
    role: str | None
    is_verified: bool


async def ensure(tx: AsyncConnection, groups: Collection[tuple[str, Id, str, str]]) -> None:
    """Let there be rows of groups: (workspace, id, kind, key)."""
    rows = sorted(groups)
    given = {
        "workspaces": [one[0] for one in rows],
        "ids": [one[1] for one in rows],
        "kinds": [one[2] for one in rows],
        "keys": [one[3] for one in rows],
    }
    await tx.execute(_ENSURE, given)


async def find(tx: AsyncConnection, workspace: str, group_id: Id) -> Group | None:
    """One group."""
    row = (await tx.execute(_ONE, {"workspace": workspace, "id": group_id})).first()
    return None if row is None else _group(row)


async def hold(
    tx: AsyncConnection, workspace: str, group_id: Id, *, only_free: bool = False
) -> Group | None:
    """Lock a group; None when there is none, or, with `only_free`, somebody else holds it."""
    asked = {"workspace": workspace, "id": group_id}
    row = (await tx.execute(_LOCK_FREE if only_free else _LOCK, asked)).first()
    return None if row is None else _group(row)


async def page(
    tx: AsyncConnection,
    workspace: str,
    limit: int,
    after: tuple[str, str] | None,
    *,
    kind: str | None = None,
) -> list[Group]:
    """Groups in the order of kind and key; those of one kind, if given."""
    place = {"after_kind": after and after[0], "after_key": after and after[1]}
    asked = {"workspace": workspace, "limit": limit, "kind": kind, **place}
    return [_group(row) for row in await tx.execute(_LIST, asked)]


async def among(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> dict[Id, Group]:
    """Those of the groups that are known, by id."""
    rows = await tx.execute(_AMONG, {"workspace": workspace, "ids": sorted(ids)})
    return {row.id: _group(row) for row in rows}


async def ids(tx: AsyncConnection, workspace: str, after: Id, limit: int) -> list[Id]:
    """The next groups of a workspace."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return list((await tx.execute(_IDS, asked)).scalars())


async def save(tx: AsyncConnection, workspace: str, group: Group, *, changed: bool) -> None:
    """Keep what a group is now; `changed`: its traits are shown otherwise than before."""
    given = {
        "workspace": workspace,
        "id": group.id,
        "traits": _encoder.encode(group.traits).decode(),
        "expired": _encoder.encode(group.expired).decode() if group.expired else None,
        "is_known": group.is_known,
        "changed": changed,
    }
    await tx.execute(_SAVE, given)


async def delete(tx: AsyncConnection, workspace: str, group_id: Id, *, by: tuple[str, str]) -> None:
    """Nothing that was said of a group so far counts any more (`by`: who, why)."""
    given = {"workspace": workspace, "id": group_id, "actor": by[0], "reason": by[1]}
    await tx.execute(_DELETE, given)


async def members(
    tx: AsyncConnection, workspace: str, group_id: Id, limit: int, after: Id | None
) -> list[Row[Any]]:
    """Rows of who is in a group, by profile: profile_id, since, role, is_verified."""
    asked = {"workspace": workspace, "id": group_id, "limit": limit, "after": after}
    return list((await tx.execute(_MEMBERS, asked)).fetchall())


async def count(tx: AsyncConnection, workspace: str, group_id: Id, limit: int) -> int:
    """How many are in a group, up to `limit`."""
    asked = {"workspace": workspace, "id": group_id, "limit": limit}
    return int((await tx.execute(_COUNT, asked)).scalar_one())


async def of_people(
    tx: AsyncConnection, people: Sequence[Scoped]
) -> dict[Scoped, dict[Id, Member]]:
    """The groups in which people are listed."""
    found: dict[Scoped, dict[Id, Member]] = {one: {} for one in people}
    for row in await tx.execute(_OF_PEOPLE, scoped(people)):
        member = Member(row.since, row.role, row.is_verified)
        found[row.workspace, row.profile_id][row.group_id] = member
    return found


async def enter(tx: AsyncConnection, entering: Sequence[tuple[Scoped, Membership]]) -> None:
    """List people in groups, or how they are in them now."""
    if not entering:
        return
    given = {
        **_places([(who, one.group_id) for who, one in entering]),
        "since": [one.since for _who, one in entering],
        "roles": [one.role for _who, one in entering],
        "verified": [one.is_verified for _who, one in entering],
    }
    await tx.execute(_ENTER, given)


async def leave(tx: AsyncConnection, leaving: Sequence[tuple[Scoped, Id]]) -> None:
    """People are in these groups no more."""
    if leaving:
        await tx.execute(_LEAVE, _places(sorted(leaving)))


async def empty(tx: AsyncConnection, workspace: str, group_id: Id, limit: int) -> list[Id]:
    """Take so many people out of a group; who they are."""
    asked = {"workspace": workspace, "id": group_id, "limit": limit}
    return list((await tx.execute(_EMPTY, asked)).scalars())


async def forget(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> int:
    """Nobody has these profiles any more; how many rows."""
    asked = {"workspace": workspace, "ids": sorted(profiles)}
    await tx.execute(_FORGET_TOLD, asked)
    return (await tx.execute(_FORGET, asked)).rowcount


async def doubt(tx: AsyncConnection, people: Collection[Scoped]) -> None:
    """What others know of the groups of these is uncertain: of whom nothing was told so far."""
    await tx.execute(_MAKE_TOLD, scoped(sorted(people)))


async def told(tx: AsyncConnection, people: Sequence[Scoped]) -> dict[Scoped, bytes]:
    """What others were told of people's groups (JSON); empty where it is uncertain."""
    return {
        (row.workspace, row.profile_id): (row.told or "").encode()
        for row in await tx.execute(_TOLD, scoped(people))
    }


async def tell(tx: AsyncConnection, who: Scoped, told_: bytes) -> None:
    """Keep what others are told."""
    asked = {"workspace": who[0], "id": who[1], "told": told_.decode()}
    await tx.execute(_TELL, asked)


async def names(tx: AsyncConnection, people: Sequence[Scoped]) -> dict[Scoped, Identifier]:
    """The identifier that names each; who has none is not there."""
    return {
        (row.workspace, row.profile_id): (row.kind, row.value)
        for row in await tx.execute(_NAMES, scoped(people))
    }


def _places(places: Sequence[tuple[Scoped, Id]]) -> dict[str, Any]:
    return {
        "workspaces": [who[0] for who, _group_id in places],
        "groups": [group_id for _who, group_id in places],
        "profiles": [who[1] for who, _group_id in places],
    }


def _group(row: Row[Any]) -> Group:
    expired = {} if row.expired is None else _state.decode(row.expired)
    return Group(
        row.id,
        row.kind,
        row.key,
        _state.decode(row.traits),
        expired,
        row.is_known,
        row.updated_at,
        row.deleted_at,
    )
