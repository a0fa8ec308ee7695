"""What was said of groups, one row for each event, under whom it is about."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import packed
from rapport_common.events.envelope import Event
from rapport_profile.domain.groups.facts import GroupFact
from rapport_profile.domain.groups.membership import Word
from rapport_profile.domain.groups.traits import Statement
from rapport_profile.domain.naming import Id
from rapport_profile.domain.stamps import Stamp
from rapport_profile.store.inbox import MessageKey
from rapport_profile.store.people import Scoped, scoped

_traits = msgspec.json.Decoder(dict[str, msgspec.Raw])

_ADD = text(
    "INSERT INTO profile.group_fact (workspace, source, message_id, group_id, identifier_id, verb, "
    "at, sequence, received_at, is_trusted, role, traits, actor, reason) "
    "SELECT v.* FROM unnest(CAST(:workspaces AS text[]), CAST(:sources AS text[]), "
    "CAST(:messages AS text[]), CAST(:groups AS uuid[]), CAST(:identifiers AS uuid[]), "
    "CAST(:verbs AS text[]), CAST(:times AS timestamptz[]), CAST(:sequences AS bigint[]), "
    "CAST(:received AS timestamptz[]), CAST(:trusted AS boolean[]), CAST(:roles AS text[]), "
    "CAST(:traits AS json[]), CAST(:actors AS text[]), CAST(:reasons AS text[])) "
    "AS v(workspace, source, message_id, group_id, identifier_id, verb, at, sequence, "
    "received_at, is_trusted, role, traits, actor, reason) "
    "JOIN profile.group_profile g ON g.workspace = v.workspace AND g.id = v.group_id "
    "WHERE g.deleted_at IS NULL OR v.received_at > g.deleted_at ON CONFLICT DO NOTHING"
)
_DROP = text(
    "DELETE FROM profile.group_fact WHERE workspace = :workspace AND source = :source "
    "AND message_id = :message_id RETURNING CAST(group_id AS text)"
)
_MOVE = text(
    "UPDATE profile.group_fact f SET identifier_id = v.hub "
    f"FROM unnest({packed('hubs', 'uuid')}, {packed('sources', 'text')}, "
    "CAST(:messages AS text[])) AS v(hub, source, message_id) WHERE f.workspace = :workspace "
    "AND f.source = v.source AND f.message_id = v.message_id AND f.identifier_id IS NOT NULL"
)
_WORDS = text(
    "SELECT i.workspace, CAST(i.profile_id AS text) AS profile_id, "
    "CAST(f.identifier_id AS text) AS identifier_id, CAST(f.group_id AS text) AS group_id, "
    "g.kind, g.key, f.verb, f.at, f.sequence, f.source, f.message_id, f.is_trusted, f.role "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) "
    "AS v(workspace, profile_id) "
    "JOIN profile.identifier i ON i.workspace = v.workspace AND i.profile_id = v.profile_id "
    "JOIN profile.group_fact f ON f.workspace = i.workspace AND f.identifier_id = i.id "
    "JOIN profile.group_profile g ON g.workspace = f.workspace AND g.id = f.group_id "
    "WHERE f.verb <> 'said' AND (g.deleted_at IS NULL OR f.received_at > g.deleted_at)"
)
_CONCERNED = text(
    "SELECT DISTINCT i.workspace, CAST(i.profile_id AS text) AS profile_id "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) "
    "AS v(workspace, profile_id) "
    "JOIN profile.identifier i ON i.workspace = v.workspace AND i.profile_id = v.profile_id "
    "JOIN profile.group_fact f ON f.workspace = i.workspace AND f.identifier_id = i.id "
    "UNION SELECT m.workspace, CAST(m.profile_id AS text) FROM profile.group_member m "
    f"JOIN unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) "
    "AS v(workspace, profile_id) USING (workspace, profile_id)"
)
_KEYS = "unnest(CAST(:sources AS text[]), CAST(:messages AS text[])) AS v(source, message_id)"
_THESE = "f.workspace = :workspace AND f.source = v.source AND f.message_id = v.message_id"
_LOOSEN = text(
    # What it says of the group stays; that this person said it, or was in it, does not.
    "UPDATE profile.group_fact f SET identifier_id = NULL, verb = 'said', role = NULL "
    f"FROM {_KEYS} WHERE {_THESE} AND f.traits IS NOT NULL"
)
_DROP_LOOSE = text(
    f"DELETE FROM profile.group_fact f USING {_KEYS} WHERE {_THESE} AND f.traits IS NULL"
)
_NO_TRAITS = text(
    f"UPDATE profile.group_fact f SET traits = NULL FROM {_KEYS} WHERE {_THESE} "
    "AND f.identifier_id IS NOT NULL"
)
_DROP_NOBODYS = text(
    f"DELETE FROM profile.group_fact f USING {_KEYS} WHERE {_THESE} AND f.identifier_id IS NULL"
)
_ERASED = text(
    "SELECT source, message_id, CAST(group_id AS text) AS group_id FROM profile.group_fact "
    "WHERE workspace = :workspace "
    "AND (identifier_id = ANY(CAST(:ids AS uuid[])) AND received_at < :at "
    "OR (source, message_id) IN (SELECT * FROM unnest(CAST(:sources AS text[]), "
    "CAST(:messages AS text[]))))"
)
_SAID = (
    "SELECT f.source, f.message_id, f.at, f.sequence, CAST(f.traits AS text) AS traits "
    "FROM profile.group_fact f JOIN profile.group_profile g "
    "ON g.workspace = f.workspace AND g.id = f.group_id WHERE f.workspace = :workspace "
    "AND f.group_id = CAST(:group AS uuid) AND f.traits IS NOT NULL {whose}"
    "AND (g.deleted_at IS NULL OR f.received_at > g.deleted_at) "
    'ORDER BY f.at, f.sequence, f.message_id COLLATE "C", f.source COLLATE "C" LIMIT :limit'
)
_BY_EVERYBODY, _BY_TRUSTED = (text(_SAID.format(whose=one)) for one in ("", "AND f.is_trusted "))
_IS_SPOKEN_OF = text(
    "SELECT EXISTS (SELECT FROM profile.group_fact f JOIN profile.group_profile g "
    "ON g.workspace = f.workspace AND g.id = f.group_id WHERE f.workspace = :workspace "
    "AND f.group_id = CAST(:group AS uuid) AND (f.verb <> 'out' OR f.traits IS NOT NULL) "
    "AND (f.is_trusted OR :public = 'everything' OR (:public = 'membership' AND f.verb = 'in')) "
    "AND (g.deleted_at IS NULL OR f.received_at > g.deleted_at))"
)
_CLEAR = text(
    "WITH gone AS (DELETE FROM profile.group_fact WHERE ctid IN (SELECT f.ctid "
    "FROM profile.group_fact f JOIN profile.group_profile g "
    "ON g.workspace = f.workspace AND g.id = f.group_id WHERE f.workspace = :workspace "
    "AND f.group_id = CAST(:group AS uuid) AND f.received_at <= g.deleted_at LIMIT :limit) "
    "RETURNING 1) SELECT count(*) FROM gone"
)
_IDENTIFIERS = text(
    "SELECT DISTINCT CAST(identifier_id AS text) AS id FROM profile.group_fact "
    "WHERE workspace = :workspace AND identifier_id > CAST(:after AS uuid) "
    "ORDER BY 1 LIMIT :limit"
)
_OWNERS = text(
    "SELECT DISTINCT CAST(profile_id AS text) FROM profile.identifier WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[])) AND profile_id IS NOT NULL"
)


class Said(NamedTuple):
    """A fact of the group `group_id`, and whose it is; `by`: the operator who says it, and why."""

    workspace: str
    group_id: Id
    identifier_id: Id | None
    received_at: datetime
    fact: GroupFact
    by: tuple[str, str] | None = None


async def add(tx: AsyncConnection, said: Iterable[Said]) -> None:
    """Keep facts; those that are kept already stay as they are."""
    rows = sorted(said, key=lambda one: (one.workspace, one.fact.stamp.order))
    facts = [one.fact for one in rows]
    given = {
        "workspaces": [one.workspace for one in rows],
        "sources": [one.stamp.source for one in facts],
        "messages": [one.stamp.message_id for one in facts],
        "groups": [one.group_id for one in rows],
        "identifiers": [None if one.fact.verb == "said" else one.identifier_id for one in rows],
        "verbs": [one.verb for one in facts],
        "times": [one.stamp.at for one in facts],
        "sequences": [one.stamp.sequence for one in facts],
        "received": [one.received_at for one in rows],
        "trusted": [one.is_trusted for one in facts],
        "roles": [one.role for one in facts],
        "traits": [
            None if one.traits is None else msgspec.json.encode(one.traits).decode()
            for one in facts
        ],
        "actors": [None if one.by is None else one.by[0] for one in rows],
        "reasons": [None if one.by is None else one.by[1] for one in rows],
    }
    await tx.execute(_ADD, given)


async def drop(tx: AsyncConnection, key: MessageKey) -> Id | None:
    """An event does not count any more; the group that it was about, if it was kept."""
    workspace, source, message_id = key
    asked = {"workspace": workspace, "source": source, "message_id": message_id}
    found: Id | None = await tx.scalar(_DROP, asked)
    return found


async def move(tx: AsyncConnection, moved: dict[str, Any]) -> None:
    """Put what events tell under another identifier: workspace, hubs, sources, messages."""
    await tx.execute(_MOVE, moved)


async def words(tx: AsyncConnection, people: Sequence[Scoped]) -> dict[Scoped, list[Word]]:
    """What was said of each one's part in groups; of whom nothing was said, nothing."""
    found: dict[Scoped, list[Word]] = {}
    for row in await tx.execute(_WORDS, scoped(people)):
        stamp = Stamp(row.at, row.message_id, row.source, row.sequence)
        word = Word(
            row.group_id,
            row.kind,
            row.key,
            row.verb,
            stamp,
            row.is_trusted,
            row.role,
            row.identifier_id,
        )
        found.setdefault((row.workspace, row.profile_id), []).append(word)
    return found


async def concerned(tx: AsyncConnection, profiles: Collection[Scoped]) -> set[Scoped]:
    """Those of the profiles of which groups say something, or said so far."""
    rows = await tx.execute(_CONCERNED, scoped(sorted(profiles)))
    return {(row.workspace, row.profile_id) for row in rows}


async def trim(tx: AsyncConnection, workspace: str, surplus: Sequence[Word]) -> None:
    """Words give way: what they say of the group's traits stays, as nobody's."""
    if surplus:
        given = _keys(workspace, [(one.stamp.source, one.stamp.message_id) for one in surplus])
        await tx.execute(_DROP_LOOSE, given)
        await tx.execute(_LOOSEN, given)


async def erase(
    tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime, named: Sequence[Event]
) -> tuple[int, set[Id]]:
    """Remove the parts in groups of identifiers, and what some events say.

    How many rows, and of which groups. What was said of the groups themselves stays, as nobody's.
    """
    given = {
        "sources": [one.source for one in named],
        "messages": [one.message_id for one in named],
    }
    asked = {"workspace": workspace, "ids": list(ids), "at": at, **given}
    rows = (await tx.execute(_ERASED, asked)).fetchall()
    if not rows:
        return 0, set()
    keys = _keys(workspace, [(row.source, row.message_id) for row in rows])
    gone = await tx.execute(_DROP_LOOSE, keys)
    number = gone.rowcount + (await tx.execute(_LOOSEN, keys)).rowcount
    return number, {row.group_id for row in rows}


async def statements(
    tx: AsyncConnection, workspace: str, group_id: Id, limit: int, *, everybody: bool
) -> list[Statement]:
    """What was said of a group's traits, the earliest first; by public sources if `everybody`."""
    asked = {"workspace": workspace, "group": group_id, "limit": limit}
    said = await tx.execute(_BY_EVERYBODY if everybody else _BY_TRUSTED, asked)
    return [
        Statement(
            Stamp(row.at, row.message_id, row.source, row.sequence), _traits.decode(row.traits)
        )
        for row in said
    ]


async def is_spoken_of(tx: AsyncConnection, workspace: str, group_id: Id, public: str) -> bool:
    """Whether anything that counts says that there is this group."""
    asked = {"workspace": workspace, "group": group_id, "public": public}
    return bool(await tx.scalar(_IS_SPOKEN_OF, asked))


async def without_traits(tx: AsyncConnection, workspace: str, gone: Sequence[Statement]) -> None:
    """The traits of these are kept elsewhere from now on."""
    given = _keys(workspace, [(one.stamp.source, one.stamp.message_id) for one in gone])
    await tx.execute(_DROP_NOBODYS, given)
    await tx.execute(_NO_TRAITS, given)


async def clear(tx: AsyncConnection, workspace: str, group_id: Id, limit: int) -> int:
    """Remove facts that a deleted group does not heed; how many."""
    asked = {"workspace": workspace, "group": group_id, "limit": limit}
    return int((await tx.execute(_CLEAR, asked)).scalar_one())


async def identifiers(tx: AsyncConnection, workspace: str, after: Id, limit: int) -> list[Id]:
    """The next identifiers that say something of groups."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return [row.id for row in await tx.execute(_IDENTIFIERS, asked)]


async def owners(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> list[Id]:
    """The profiles that have these identifiers."""
    rows = await tx.execute(_OWNERS, {"workspace": workspace, "ids": list(ids)})
    return list(rows.scalars())


def _keys(workspace: str, keys: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "sources": [one[0] for one in keys],
        "messages": [one[1] for one in keys],
    }
