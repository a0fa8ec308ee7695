"""What loyalty keeps of people: facts and operations under identifiers, entries, and members."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.envelope import Identifier
from rapport_profile.domain.loyalty.checkpoint import Head
from rapport_profile.domain.loyalty.facts import Content, Fact
from rapport_profile.domain.loyalty.ledger import Entry, Key
from rapport_profile.domain.loyalty.operations import Operation
from rapport_profile.domain.naming import Id
from rapport_profile.store import loyalty_checkpoints
from rapport_profile.store.people import Scoped, scoped

MessageKey = tuple[str, str, str]
"""(workspace, source, message id)"""

_BEFORE = datetime(1900, 1, 1, tzinfo=UTC)
"""Earlier than all that happens."""

_content = msgspec.json.Decoder(Content)
_operation = msgspec.json.Decoder(Operation)
_WHOSE = (
    f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, profile_id) "
    "JOIN profile.identifier i ON i.workspace = v.workspace AND i.profile_id = v.profile_id "
)
_ADD_FACTS = text(
    "INSERT INTO profile.loyalty_fact (workspace, source, message_id, identifier_id, content, at) "
    f"SELECT w, s, m, i, CAST(c AS json), a FROM unnest({packed('workspaces', 'text')}, "
    f"{packed('sources', 'text')}, CAST(:messages AS text[]), {packed('ids', 'uuid')}, "
    "CAST(:contents AS text[]), CAST(:times AS timestamptz[])) AS v(w, s, m, i, c, a) "
    "ON CONFLICT DO NOTHING"
)
_DROP_FACT = text(
    "DELETE FROM profile.loyalty_fact WHERE workspace = :workspace AND source = :source "
    "AND message_id = :message_id RETURNING CAST(closed_for AS text)"
)
_WHOSE_FACTS = text(
    "SELECT CAST(f.closed_for AS text) FROM profile.loyalty_fact f "
    f"JOIN unnest({packed('sources', 'text')}, CAST(:messages AS text[])) AS v(source, message_id) "
    "USING (source, message_id) WHERE f.workspace = :workspace AND f.closed_for IS NOT NULL "
    "FOR UPDATE OF f"
)
_MOVE_FACTS = text(
    "UPDATE profile.loyalty_fact f SET identifier_id = v.hub, closed_for = NULL "
    f"FROM unnest({packed('hubs', 'uuid')}, {packed('sources', 'text')}, "
    "CAST(:messages AS text[])) AS v(hub, source, message_id) "
    "WHERE f.workspace = :workspace AND f.source = v.source AND f.message_id = v.message_id"
)
_MAKE_MEMBERS = text(
    "INSERT INTO profile.loyalty_member (workspace, profile_id, told) "
    f"SELECT w, i, '{{}}' FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) "
    "AS v(w, i) ORDER BY w, i ON CONFLICT DO NOTHING"
)
_LOCK = (
    "SELECT m.workspace, CAST(m.profile_id AS text) AS id, CAST(m.told AS text) AS told "
    f"FROM profile.loyalty_member m JOIN unnest({packed('workspaces', 'text')}, "
    f"{packed('ids', 'uuid')}) AS v(workspace, profile_id) USING (workspace, profile_id) "
    "ORDER BY m.workspace, m.profile_id FOR UPDATE OF m"
)
_HOLD, _HOLD_FREE = text(_LOCK), text(f"{_LOCK} SKIP LOCKED")
_TELL = text(
    "UPDATE profile.loyalty_member SET told = CAST(:told AS json) "
    "WHERE workspace = :workspace AND profile_id = CAST(:id AS uuid)"
)
_DROP_MEMBER = text(
    "DELETE FROM profile.loyalty_member WHERE workspace = :workspace "
    "AND profile_id = ANY(CAST(:ids AS uuid[]))"
)
_NAMES = text(
    "SELECT DISTINCT ON (i.workspace, i.profile_id) i.workspace, "
    "CAST(i.profile_id AS text) AS profile_id, CAST(i.id AS text) AS id, i.kind, i.value "
    f"FROM {_WHOSE}"
    "ORDER BY i.workspace, i.profile_id, i.kind <> 'user_id', i.id"
)
_SINCE = (
    f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    "CAST(:since AS timestamptz[])) AS v(workspace, profile_id, since)"
)
_MINE = "i.workspace = v.workspace AND i.profile_id = v.profile_id"
_FACT = "profile.loyalty_fact f ON f.workspace = i.workspace AND f.identifier_id = i.id"
_FACTS = text(
    "SELECT v.workspace, CAST(v.profile_id AS text) AS profile_id, f.id, f.content "
    f"FROM {_SINCE} CROSS JOIN LATERAL (SELECT CAST(i.id AS text) AS id, "
    f"CAST(f.content AS text) AS content FROM profile.identifier i JOIN {_FACT} "
    f"WHERE {_MINE} AND f.at > v.since ORDER BY f.at LIMIT CAST(:most AS bigint)) AS f"
)
_LATE = text(
    # By its index, an identifier after the other, whatever is thought of how many there are.
    f"SELECT v.workspace, CAST(v.profile_id AS text) AS id FROM {_SINCE} WHERE "
    + " OR ".join(
        "EXISTS (SELECT FROM profile.identifier i CROSS JOIN LATERAL (SELECT FROM "
        "profile.loyalty_fact f WHERE f.workspace = i.workspace AND f.identifier_id = i.id "
        f"AND f.closed_for {which} AND f.at <= v.since "
        f"ORDER BY f.workspace, f.identifier_id, f.closed_for LIMIT 1) AS one WHERE {_MINE})"
        for which in ("IS NULL", "< v.profile_id", "> v.profile_id")
    )
)
_OPERATIONS = text(
    "SELECT i.workspace, CAST(i.profile_id AS text) AS profile_id, "
    f"CAST(o.operation AS text) AS operation FROM {_SINCE} JOIN profile.identifier i ON {_MINE} "
    "JOIN profile.loyalty_operation o ON o.workspace = i.workspace AND o.identifier_id = i.id "
    "AND o.touched_at > v.since"
)
_THESE_OPERATIONS = text(
    "SELECT CAST(operation AS text) FROM profile.loyalty_operation WHERE workspace = :workspace "
    "AND id = ANY(CAST(:ids AS uuid[]))"
)
_BOOKED = text(
    "SELECT i.workspace, CAST(i.profile_id AS text) AS profile_id, CAST(i.id AS text) AS id, "
    f"e.lot, e.kind, e.operation_id, CAST(sum(e.points) AS bigint) AS points FROM {_WHOSE}"
    "JOIN profile.loyalty_entry e ON e.workspace = i.workspace AND e.identifier_id = i.id "
    "GROUP BY 1, 2, 3, 4, 5, 6"
)
_BOOKED_OF = text(
    "SELECT CAST(v.id AS text) AS id, v.lot, e.kind, e.operation_id, "
    f"CAST(sum(e.points) AS bigint) AS points FROM unnest({packed('ids', 'uuid')}, "
    "CAST(:lots AS text[])) AS v(id, lot) CROSS JOIN LATERAL (SELECT kind, operation_id, points "
    "FROM profile.loyalty_entry WHERE workspace = :workspace AND identifier_id = v.id "
    "AND lot = v.lot OFFSET 0) AS e GROUP BY 1, 2, 3, 4"
)
_BOOK = text(
    "INSERT INTO profile.loyalty_entry "
    "(workspace, identifier_id, lot, kind, operation_id, points, at, booked_at) "
    "SELECT :workspace, i, l, k, o, p, a, :now FROM unnest(CAST(:ids AS uuid[]), "
    "CAST(:lots AS text[]), CAST(:kinds AS text[]), CAST(:operations AS text[]), "
    "CAST(:points AS bigint[]), CAST(:times AS timestamptz[])) WITH ORDINALITY "
    "AS v(i, l, k, o, p, a, n) ORDER BY n"
)
_STATEMENT = text(
    "SELECT * FROM (SELECT e.id, e.lot, e.kind, e.operation_id, e.points, e.at, e.booked_at, "
    "CAST(sum(e.points) OVER (ORDER BY e.id) AS bigint) AS total FROM profile.identifier i "
    "JOIN profile.loyalty_entry e ON e.workspace = i.workspace AND e.identifier_id = i.id "
    "WHERE i.workspace = :workspace AND i.profile_id = :profile_id) AS all_of_them "
    "WHERE CAST(:before AS bigint) IS NULL OR id < :before ORDER BY id DESC LIMIT :limit"
)
_ADD_OPERATION = text(
    "INSERT INTO profile.loyalty_operation "
    "(workspace, id, identifier_id, operation, actor, reason, touched_at) VALUES (:workspace, "
    "CAST(:id AS uuid), CAST(:identifier AS uuid), CAST(:operation AS json), :actor, :reason, :at)"
)
_CHANGE_OPERATION = text(
    "UPDATE profile.loyalty_operation SET operation = CAST(:operation AS json), touched_at = :at "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid)"
)
_OPERATION = text(
    "SELECT CAST(o.operation AS text) AS operation, o.actor, o.reason, "
    "CAST(i.profile_id AS text) AS profile_id FROM profile.loyalty_operation o "
    "JOIN profile.identifier i ON i.workspace = o.workspace AND i.id = o.identifier_id "
    "WHERE o.workspace = :workspace AND o.id = CAST(:id AS uuid)"
)
_MEMBERS = text(
    "SELECT CAST(profile_id AS text) FROM profile.loyalty_member WHERE workspace = :workspace "
    "AND (CAST(:after AS uuid) IS NULL OR profile_id > CAST(:after AS uuid)) "
    "ORDER BY profile_id LIMIT :limit"
)
_OF_THESE = "WHERE t.workspace = :workspace AND t.identifier_id = ANY(CAST(:ids AS uuid[]))"
_FORGET = [
    text(f"DELETE FROM profile.loyalty_operation t {_OF_THESE}"),
    text(f"DELETE FROM profile.loyalty_entry t {_OF_THESE}"),
]
_FORGET_FACTS = text(
    f"DELETE FROM profile.loyalty_fact t {_OF_THESE} AND NOT EXISTS (SELECT FROM profile.inbox i "
    "WHERE i.workspace = t.workspace AND i.source = t.source AND i.message_id = t.message_id "
    "AND i.received_at >= :at)"
)


class Kept(NamedTuple):
    """What is kept of one member.

    `anchor` is the strongest identifier, by its id, `name` the same by kind and value. Facts and
    operations are those since the checkpoint that `head` is of.
    """

    anchor: Id
    name: Identifier
    facts: list[Fact]
    operations: list[Operation]
    head: Head | None


class Told(NamedTuple):
    """An operation, whose it is now, and by whom and why it was done."""

    operation: Operation
    profile_id: Id | None
    actor: str
    reason: str


async def add_facts(tx: AsyncConnection, facts: Sequence[tuple[MessageKey, Id, Content]]) -> int:
    """Keep what events tell, under (their key, their strongest identifier).

    How many were not kept already.
    """
    given = {
        "workspaces": pack(one[0][0] for one in facts),
        "sources": pack(one[0][1] for one in facts),
        "messages": [one[0][2] for one in facts],
        "ids": pack(one[1] for one in facts),
        "contents": [msgspec.json.encode(one[2]).decode() for one in facts],
        "times": [one[2].stamp.at for one in facts],
    }
    return (await tx.execute(_ADD_FACTS, given)).rowcount


async def drop_fact(tx: AsyncConnection, key: MessageKey) -> None:
    """An event does not count any more, nor does a checkpoint that knows of it."""
    workspace, source, message_id = key
    asked = {"workspace": workspace, "source": source, "message_id": message_id}
    closed_for = (await tx.execute(_DROP_FACT, asked)).scalar()
    if closed_for is not None:
        await loyalty_checkpoints.drop(tx, [(workspace, closed_for)])


async def move_facts(tx: AsyncConnection, moved: Mapping[str, Any]) -> None:
    """Put what events tell under another identifier: workspace, hubs, sources, messages."""
    asked = {name: moved[name] for name in ("workspace", "sources", "messages")}
    known = {str(one) for one in (await tx.execute(_WHOSE_FACTS, asked)).scalars()}
    await loyalty_checkpoints.drop(tx, [(moved["workspace"], one) for one in known])
    await tx.execute(_MOVE_FACTS, moved)


async def make(tx: AsyncConnection, members: Collection[Scoped]) -> None:
    """Let these be members, of whom nobody has been told anything; who is one stays so."""
    if members:
        await tx.execute(_MAKE_MEMBERS, scoped(sorted(members)))


async def hold(
    tx: AsyncConnection, members: Collection[Scoped], *, only_free: bool = False
) -> dict[Scoped, bytes]:
    """Lock those who are members, in one order; what others have been told of each (JSON).

    `only_free`: those that nobody else holds.
    """
    asked = scoped(sorted(set(members)))
    rows = await tx.execute(_HOLD_FREE if only_free else _HOLD, asked)
    return {(row.workspace, row.id): row.told.encode() for row in rows}


async def tell(tx: AsyncConnection, member: Scoped, told: bytes) -> None:
    """Keep what others have been told."""
    asked = {"workspace": member[0], "id": member[1], "told": told.decode()}
    await tx.execute(_TELL, asked)


async def drop_members(tx: AsyncConnection, workspace: str, profiles: Collection[Id]) -> None:
    """Nobody has these profiles any more."""
    await tx.execute(_DROP_MEMBER, {"workspace": workspace, "ids": sorted(profiles)})
    await loyalty_checkpoints.drop(tx, [(workspace, one) for one in profiles])


async def kept(
    tx: AsyncConnection,
    members: Sequence[Scoped],
    heads: Mapping[Scoped, Head],
    most: int | None = None,
) -> dict[Scoped, Kept]:
    """What is kept of members, of `most` facts the oldest; of profiles that nobody has, nothing.

    `heads`: the checkpoints from which it goes on.
    """
    asked = scoped(members)
    found = {
        (row.workspace, row.profile_id): Kept(row.id, (row.kind, row.value), [], [], heads.get(who))
        for row in await tx.execute(_NAMES, asked)
        for who in [(row.workspace, row.profile_id)]
    }
    since = [heads[one].at if one in heads else _BEFORE for one in members]
    for row in await tx.execute(_FACTS, {**asked, "since": since, "most": most}):
        fact = Fact(row.id, _content.decode(row.content))
        found[row.workspace, row.profile_id].facts.append(fact)
    for row in await tx.execute(_OPERATIONS, {**asked, "since": since}):
        operation = _operation.decode(row.operation)
        found[row.workspace, row.profile_id].operations.append(operation)
    return found


async def late(tx: AsyncConnection, heads: Mapping[Scoped, Head]) -> set[Scoped]:
    """Those of whom something has come that happened before their checkpoint."""
    if not heads:
        return set()
    asked = {**scoped(list(heads)), "since": [one.at for one in heads.values()]}
    return {(row.workspace, row.id) for row in await tx.execute(_LATE, asked)}


async def operations(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> list[Operation]:
    """Operations by their ids."""
    if not ids:
        return []
    asked = {"workspace": workspace, "ids": sorted(ids)}
    return [
        _operation.decode(one) for one in (await tx.execute(_THESE_OPERATIONS, asked)).scalars()
    ]


async def booked(tx: AsyncConnection, members: Sequence[Scoped]) -> dict[Scoped, dict[Key, int]]:
    """All that has been booked of members."""
    found: dict[Scoped, dict[Key, int]] = {one: {} for one in members}
    for row in await tx.execute(_BOOKED, scoped(members)):
        key = Key(row.id, row.lot, row.kind, row.operation_id)
        found[row.workspace, row.profile_id][key] = row.points
    return found


async def booked_of(
    tx: AsyncConnection, workspace: str, lots: Collection[tuple[Id, str]]
) -> dict[Key, int]:
    """What has been booked of some lots, each with the identifier that it is kept under."""
    wanted = sorted(lots)
    asked = {"workspace": workspace, "ids": pack(one[0] for one in wanted)}
    rows = await tx.execute(_BOOKED_OF, {**asked, "lots": [one[1] for one in wanted]})
    return {Key(row.id, row.lot, row.kind, row.operation_id): row.points for row in rows}


async def book(
    tx: AsyncConnection, workspace: str, entries: Sequence[Entry], now: datetime
) -> None:
    """Add entries to the ledger."""
    given = {
        "workspace": workspace,
        "now": now,
        "ids": [one.key.anchor for one in entries],
        "lots": [one.key.lot for one in entries],
        "kinds": [one.key.kind for one in entries],
        "operations": [one.key.operation for one in entries],
        "points": [one.points for one in entries],
        "times": [one.at for one in entries],
    }
    await tx.execute(_BOOK, given)


async def statement(
    tx: AsyncConnection, workspace: str, profile_id: Id, limit: int, before: int | None
) -> list[Row[Any]]:
    """Entries, newest first, those before `before`; each with the sum up to it."""
    asked = {"workspace": workspace, "profile_id": profile_id, "limit": limit, "before": before}
    return list((await tx.execute(_STATEMENT, asked)).fetchall())


async def add_operation(
    tx: AsyncConnection, workspace: str, operation: Operation, *, by: tuple[str, str]
) -> None:
    """Keep what was asked for, by whom and why."""
    asked = {
        "workspace": workspace,
        "id": operation.id,
        "identifier": operation.anchor,
        "operation": msgspec.json.encode(operation).decode(),
        "actor": by[0],
        "reason": by[1],
        "at": operation.at,
    }
    await tx.execute(_ADD_OPERATION, asked)


async def change_operation(
    tx: AsyncConnection, workspace: str, operation: Operation, at: datetime
) -> None:
    """Keep what has become of it at a moment."""
    encoded = msgspec.json.encode(operation).decode()
    asked = {"workspace": workspace, "id": operation.id, "operation": encoded, "at": at}
    await tx.execute(_CHANGE_OPERATION, asked)


async def operation(tx: AsyncConnection, workspace: str, operation_id: Id) -> Told | None:
    """One operation."""
    row = (await tx.execute(_OPERATION, {"workspace": workspace, "id": operation_id})).first()
    if row is None:
        return None
    return Told(_operation.decode(row.operation), row.profile_id, row.actor, row.reason)


async def members(tx: AsyncConnection, workspace: str, after: Id | None, limit: int) -> list[Id]:
    """The next members of a workspace, by the ids of their profiles."""
    asked = {"workspace": workspace, "after": after, "limit": limit}
    return [str(one) for one in (await tx.execute(_MEMBERS, asked)).scalars()]


async def forget(tx: AsyncConnection, workspace: str, ids: Sequence[Id], at: datetime) -> int:
    """Remove what is kept of identifiers, but what was received since `at`; how many rows.

    Of what is left the ledger is booked anew.
    """
    asked = {"workspace": workspace, "ids": list(ids)}
    gone = [(await tx.execute(one, asked)).rowcount for one in _FORGET]
    facts = await tx.execute(_FORGET_FACTS, {**asked, "at": at})
    return sum(gone) + facts.rowcount
