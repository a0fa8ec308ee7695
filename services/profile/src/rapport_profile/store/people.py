"""Loading the people a batch touches, locked; what changes of them is written by `changes`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.envelope import Identifier
from rapport_profile.domain.bounds import HEAVY_BYTES
from rapport_profile.domain.links import Link
from rapport_profile.domain.loaded import Loaded
from rapport_profile.domain.naming import Id, LinkKey
from rapport_profile.domain.people import NO_FOLD, Node, Profile
from rapport_profile.domain.published import Summary
from rapport_profile.domain.working_set import WorkingSet
from rapport_profile.store.acquainted import ACQUAINTED, NO_GUESSES

Scoped = tuple[str, Id]
"""(workspace, id)"""

_summary = msgspec.json.Decoder(Summary)
_SHORT = HEAVY_BYTES // 4
"""Characters: what is stored of a trait or a consent is longer than what is told of it."""

IDS = f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')})"
_ENSURE = text(
    "INSERT INTO profile.identifier (workspace, id, kind, value, fold) "
    "SELECT v.*, '{}' FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('kinds', 'text')}, "
    "CAST(:values AS text[])) AS v ON CONFLICT DO NOTHING RETURNING workspace, CAST(id AS text)"
)
_LOCK = text(
    "SELECT i.workspace, CAST(i.id AS text) FROM (("
    "SELECT i.workspace, coalesce(i.cluster_id, i.id) AS id "
    f"FROM profile.identifier i JOIN {IDS} AS v(workspace, id) USING (workspace, id) "
    f"UNION SELECT * FROM unnest({packed('guessed_workspaces', 'text')}, "
    f"{packed('guessed', 'uuid')})) "
    f"EXCEPT SELECT * FROM unnest({packed('held_workspaces', 'text')}, {packed('held', 'uuid')})"
    ") AS label JOIN profile.identifier i USING (workspace, id) "
    "ORDER BY i.workspace, i.id FOR UPDATE OF i"
)
_COLUMNS = (
    "i.workspace, CAST(i.id AS text) AS id, i.kind, i.value, "
    "CAST(i.profile_id AS text) AS profile_id, CAST(i.cluster_id AS text) AS cluster_id, "
    "i.shared, i.contested, CAST(i.fold AS text) AS fold"
)
_NODES = text(
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN {IDS} AS v(workspace, id) "
    "USING (workspace, id)"
)
_MEMBERS = text(
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN {IDS} AS v(workspace, profile_id) "
    "USING (workspace, profile_id)"
)
_OPEN = "({0}.kind <> 'user_id' OR {0}.contested OR {0}.workspace = ANY(CAST(:limited AS text[])))"
_REACHED = text(
    # Not through users and shared identifiers, but for those that are to be followed, and
    # through users where the rules have limits.
    "WITH RECURSIVE reach(workspace, id, through, follow) AS ("
    f"SELECT i.workspace, i.id, {_OPEN.format('i')} AND (v.follow OR NOT i.shared), v.follow "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    f"{packed('follow', 'boolean')}) AS v(workspace, id, follow) "
    "JOIN profile.identifier i USING (workspace, id) "
    f"UNION SELECT n.workspace, n.id, {_OPEN.format('n')} AND NOT n.shared, false "
    "FROM reach r CROSS JOIN LATERAL ("
    "SELECT l.b AS other FROM profile.link l "
    "WHERE l.workspace = r.workspace AND l.a = r.id AND (r.follow OR NOT l.void) "
    "UNION ALL SELECT l.a FROM profile.link l "
    "WHERE l.workspace = r.workspace AND l.b = r.id AND (r.follow OR NOT l.void)) AS near "
    "JOIN profile.identifier n ON n.workspace = r.workspace AND n.id = near.other "
    "WHERE r.through) "
    "SELECT workspace, CAST(id AS text) AS id, bool_or(through) AS through "
    "FROM reach GROUP BY workspace, id"
)
_NEXT_TO_OTHERS = text(
    # Of somebody whom a thousand users share the first one that is looked at says it.
    "SELECT CAST(v.id AS text) AS id "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, id) "
    "WHERE EXISTS (SELECT 1 FROM (SELECT l.a AS id FROM profile.link l "
    "WHERE l.workspace = v.workspace AND l.b = v.id AND NOT l.void "
    "UNION ALL SELECT l.b FROM profile.link l "
    "WHERE l.workspace = v.workspace AND l.a = v.id AND NOT l.void) AS near "
    "JOIN profile.identifier u "
    "ON u.workspace = v.workspace AND u.id = near.id AND u.kind = 'user_id' "
    "WHERE near.id <> ALL(CAST(:users AS uuid[])))"
)
_LINK = (
    "l.workspace, CAST(l.a AS text) AS a, CAST(l.b AS text) AS b, l.kind, l.timestamp, "
    "l.message_id, l.source, l.void"
)
_THESE = text(
    f"SELECT {_LINK} FROM profile.link l JOIN unnest({packed('workspaces', 'text')}, "
    f"{packed('a', 'uuid')}, {packed('b', 'uuid')}, {packed('kinds', 'text')}) "
    "AS v(workspace, a, b, kind) USING (workspace, a, b, kind)"
)
_TOLD = text(
    f"SELECT {_LINK} FROM profile.link l JOIN {IDS} AS v(workspace, a) USING (workspace, a)"
)
_LINKS = text(
    f"SELECT {_LINK} FROM profile.link l JOIN {IDS} AS v(workspace, a) USING (workspace, a) "
    f"UNION SELECT {_LINK} FROM profile.link l JOIN {IDS} AS v(workspace, b) USING (workspace, b)"
)
_HOLDS = "d.kind = 'apart' AND d.undone_at IS NULL"
_PAIR = "SELECT CAST(d.a AS text) AS a, CAST(d.b AS text) AS b FROM profile.decision d"
_APART = text(
    f"{_PAIR} JOIN {IDS} AS v(workspace, a) USING (workspace, a) WHERE {_HOLDS} "
    f"UNION {_PAIR} JOIN {IDS} AS v(workspace, b) USING (workspace, b) WHERE {_HOLDS}"
)
_PROFILES = text(
    "SELECT p.workspace, CAST(p.id AS text) AS id, p.version, CAST(p.summary AS text) AS summary "
    f"FROM profile.profile p JOIN {IDS} AS v(workspace, id) USING (workspace, id)"
)


async def ensure_identifiers(
    tx: AsyncConnection, wanted: Mapping[Scoped, Identifier]
) -> set[Scoped]:
    """Insert identifiers that are not there, in sorted order; those that were not.

    Until the commit whoever wants to insert one of these waits: it is held as if it were locked.
    """
    ordered = sorted(wanted)
    rows = await tx.execute(
        _ENSURE,
        {
            **scoped(ordered),
            "kinds": pack(wanted[one][0] for one in ordered),
            "values": [wanted[one][1] for one in ordered],
        },
    )
    return {(row[0], row[1]) for row in rows}


async def load(
    tx: AsyncConnection,
    working: Loaded,
    wanted: Collection[Scoped],
    held: set[Scoped],
    guesses: Mapping[Scoped, Id] = NO_GUESSES,
) -> None:
    """Lock the clusters of identifiers, and take these and their profiles into `working`.

    A cluster is locked by the row of the identifier after which it is named: whoever changes
    anything in a cluster holds that row, so two batches with the same people in opposite order
    wait for each other. Locks that turn out to be needed later come in an order of their own: who
    meets with another there is told so by the database, and tries again. `held`: the locks so far;
    `guesses`: clusters of some, which need not be looked for if that is right.
    """
    for row in await _held_nodes(tx, wanted, held, guesses):
        working.add_node(_node(row))
    await _load_profiles(tx, working)


async def load_named(
    tx: AsyncConnection,
    working: Loaded,
    named: Mapping[Scoped, Identifier],
    besides: Collection[Scoped],
    held: set[Scoped],
) -> None:
    """Load what events name, made where it is not there, and what there is of `besides`.

    All are made before any cluster is locked, so that who waits for a new one holds no cluster.
    What is made here is known as it is, and is its own cluster: nobody else sees it yet. Who was
    there lately is not made; if they were forgotten since, which is hardly ever, they are then.
    """
    guesses: Mapping[Scoped, Id] = ACQUAINTED.guesses(tx, named)
    while named:
        doubted = {one: name for one, name in named.items() if one not in guesses}
        new = await ensure_identifiers(tx, doubted) if doubted else set[Scoped]()
        held |= new
        for workspace, id_ in sorted(new):
            kind, value = named[workspace, id_]
            working.add_node(Node(id_, workspace, kind, value, stored=NO_FOLD))
        await load(tx, working, (named.keys() | set(besides)) - new, held, guesses)
        named = {one: named[one] for one in guesses if one[1] not in working.nodes}
        besides, guesses = (), NO_GUESSES


async def load_around(
    tx: AsyncConnection,
    working: WorkingSet,
    seeds: Collection[Scoped],
    held: set[Scoped] | None,
    *,
    beyond: Collection[Scoped] = (),
    wide: bool = False,
) -> None:
    """Load what identifiers are connected with, and the links.

    That is: their components, and the users next to those; where the rules have limits, all that
    these users have. `beyond`: identifiers whose links are followed even if they are shared or
    void, to see whether they still are; so are those of the shared ones to which their aliases
    lead, which are in doubt then. `held` is None where people are only looked at: nothing is
    locked.
    """
    ordered = sorted(seeds)
    asked = {
        **scoped(ordered),
        "follow": pack("t" if one in beyond else "f" for one in ordered),
        "limited": sorted({one[0] for one in ordered}) if wide else working.book.limited(),
    }
    while True:
        rows = (await tx.execute(_REACHED, asked)).fetchall()
        reached = {(row.workspace, row.id) for row in rows}
        if held is None or not await _hold(tx, reached, held):
            break
    await _load_nodes(tx, working, _NODES, reached)
    await _load_links(tx, working, {(row.workspace, row.id) for row in rows if row.through})
    await _load_apart(tx, working, reached)
    await _load_profiles(tx, working)
    more = {
        (working.nodes[one].workspace, one)
        for one in working.shared_by_aliases(one for _workspace, one in beyond)
    }
    working.doubtful |= {one for _workspace, one in more}
    if not more <= set(beyond):
        more |= set(beyond)
        await load_around(tx, working, {*seeds, *more}, held, beyond=more, wide=wide)


async def load_users(
    tx: AsyncConnection, working: WorkingSet, users: Collection[Scoped], held: set[Scoped]
) -> None:
    """Load all that user ids have which may be, or may have been, one person.

    And of identifiers that several of them share, and nobody else, all links: these may be shared
    no longer.
    """
    if not users:
        return
    await load_around(tx, working, users, held, beyond=users, wide=True)
    known = working.between_users().union(one for _workspace, one in users)
    shared = working.shared_by(known)
    if not shared:
        return
    near = [(working.nodes[one].workspace, one) for one in sorted(shared)]
    rows = await tx.execute(_NEXT_TO_OTHERS, {**scoped(near), "users": sorted(known)})
    working.doubtful |= shared.difference(row.id for row in rows)
    if working.doubtful:
        more = {(working.nodes[one].workspace, one) for one in working.doubtful}
        await load_around(tx, working, more, held, beyond=more, wide=True)


async def load_members(tx: AsyncConnection, working: Loaded, profiles: Collection[Scoped]) -> None:
    """Load all identifiers of profiles whose clusters are held."""
    await _load_nodes(tx, working, _MEMBERS, profiles)
    await _load_profiles(tx, working)


async def load_links(
    tx: AsyncConnection, working: Loaded, wanted: Collection[tuple[str, LinkKey]]
) -> None:
    """Load those of the links (workspace, key) that are stored, and nothing around them."""
    if not wanted:
        return
    ordered = sorted(wanted)
    asked = {
        "workspaces": pack(one[0] for one in ordered),
        "a": pack(one[1][0] for one in ordered),
        "b": pack(one[1][1] for one in ordered),
        "kinds": pack(one[1][2] for one in ordered),
    }
    for row in await tx.execute(_THESE, asked):
        _add_link(working, row)


async def load_told(tx: AsyncConnection, working: Loaded, hubs: Collection[Scoped]) -> None:
    """Load all links that the events of identifiers tell of, wherever they lead."""
    for row in await tx.execute(_TOLD, scoped(sorted(hubs))):
        _add_link(working, row)


async def _hold(tx: AsyncConnection, wanted: Collection[Scoped], held: set[Scoped]) -> bool:
    """Hold the clusters of identifiers; whether any of them was not held before."""
    before = len(held)
    asked = scoped(sorted(wanted))
    # While waiting for a lock the cluster may have been joined to another: look again.
    while locked := await _lock(tx, asked, held):
        held |= locked
    return len(held) > before


async def _held_nodes(
    tx: AsyncConnection,
    wanted: Collection[Scoped],
    held: set[Scoped],
    guesses: Mapping[Scoped, Id],
) -> Sequence[Row[Any]]:
    """The rows of identifiers whose clusters are held then, as `_hold` holds them.

    The rows tell themselves whether the clusters are still those that were locked: that they are
    need not be asked before.
    """
    if not wanted:
        return []
    asked = scoped(sorted(wanted))
    rest = scoped(sorted(one for one in wanted if one not in guesses)) if guesses else asked
    found_none = False
    while True:
        guessed = {(one[0], cluster) for one, cluster in guesses.items()} - held
        locked = await _lock(tx, rest, held, guessed)
        held |= locked
        rows = (await tx.execute(_NODES, asked)).fetchall()
        # Also one that was not there when the locks were looked for. A cluster that is still not
        # held when none was found twice is named after an identifier that is gone: it has no lock.
        are_held = all((one[0], one.cluster_id or one[1]) in held for one in rows)
        if are_held or (found_none and not locked):
            return rows
        found_none = not (locked or guesses)
        rest, guesses = asked, NO_GUESSES


async def _lock(
    tx: AsyncConnection,
    asked: Mapping[str, Any],
    held: Collection[Scoped],
    guessed: Collection[Scoped] = (),
) -> set[Scoped]:
    """Lock the clusters that identifiers have now and that are not held, in sorted order, and
    with them those that are guessed.
    """
    known = {
        "guessed_workspaces": pack(one[0] for one in guessed),
        "guessed": pack(one[1] for one in guessed),
        "held_workspaces": pack(one[0] for one in held),
        "held": pack(one[1] for one in held),
    }
    return {(row[0], row[1]) for row in await tx.execute(_LOCK, {**asked, **known})}


async def _load_nodes(
    tx: AsyncConnection, working: Loaded, query: TextClause, wanted: Collection[Scoped]
) -> None:
    if not wanted:
        return
    for row in await tx.execute(query, scoped(sorted(wanted))):
        working.add_node(_node(row))


def _node(row: Row[Any]) -> Node:
    """An identifier, of the _COLUMNS of its row."""
    workspace, id_, *known = tuple(row)
    return Node(id_, workspace, *known)


async def _load_links(tx: AsyncConnection, working: Loaded, ends: Collection[Scoped]) -> None:
    if not ends:
        return
    for row in await tx.execute(_LINKS, scoped(sorted(ends))):
        _add_link(working, row)


async def _load_apart(tx: AsyncConnection, working: Loaded, ends: Collection[Scoped]) -> None:
    if ends:
        rows = await tx.execute(_APART, scoped(sorted(ends)))
        working.apart |= {(row.a, row.b) for row in rows}


def _add_link(working: Loaded, row: Row[Any]) -> None:
    evidence = (row.timestamp, row.message_id, row.source)
    working.add_link(Link((row.a, row.b, row.kind), row.workspace, evidence, row.void))


async def _load_profiles(tx: AsyncConnection, working: Loaded) -> None:
    wanted = {
        (one.workspace, one.profile_id)
        for one in working.nodes.values()
        if one.profile_id is not None and one.profile_id not in working.profiles
    }
    if wanted:
        found = (await tx.execute(_PROFILES, scoped(sorted(wanted)))).fetchall()
        for row in found:
            if row.summary is not None:
                summary, short = _summary.decode(row.summary), len(row.summary) < _SHORT
                made = Profile.of(row.id, row.workspace, row.version, summary, short=short)
                working.add_profile(made)
        bare = [row for row in found if row.summary is None]
        if bare:
            await _summarise(tx, working, bare)
    working.settle()


async def _summarise(tx: AsyncConnection, working: Loaded, rows: Sequence[Row[Any]]) -> None:
    """Profiles stored before there were summaries: made of their identifiers, once."""
    await _load_nodes(tx, working, _MEMBERS, {(row.workspace, row.id) for row in rows})
    for row in rows:
        members = [one for one in working.nodes.values() if one.profile_id == row.id]
        working.add_profile(Profile.made_of(row.id, row.workspace, row.version, members))


def scoped(wanted: Sequence[Scoped]) -> dict[str, Any]:
    """The parameters that name rows, packed."""
    return {"workspaces": pack(one[0] for one in wanted), "ids": pack(one[1] for one in wanted)}
