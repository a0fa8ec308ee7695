"""Loading the people a batch touches, locked, and writing back what changed of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Identifier
from rapport_profile.domain.facts import Id
from rapport_profile.domain.loaded import end_of
from rapport_profile.domain.people import Link, Node, Profile
from rapport_profile.domain.published import Summary
from rapport_profile.domain.world import World

Scoped = tuple[str, Id]
"""(workspace, id)"""

_summary = msgspec.json.Decoder(Summary)

_IDS = f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')})"
_ENSURE = text(
    "INSERT INTO profile.identifier (workspace, id, kind, value, fold) "
    "SELECT v.*, '{}' FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('kinds', 'text')}, "
    "CAST(:values AS text[])) AS v ON CONFLICT DO NOTHING"
)
_LABELS = text(
    "SELECT i.workspace, CAST(coalesce(i.cluster_id, i.id) AS text) AS label "
    f"FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) USING (workspace, id) "
    "EXCEPT SELECT * FROM unnest("
    f"{packed('held_workspaces', 'text')}, CAST(string_to_array(:held, ',', '') AS text[]))"
)
_KNOWN = text(
    "SELECT i.workspace, CAST(i.id AS text) AS id "
    f"FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) USING (workspace, id)"
)
_LOCK = text(
    f"SELECT 1 FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) "
    "USING (workspace, id) ORDER BY i.workspace, i.id FOR UPDATE OF i"
)
_COLUMNS = (
    "i.workspace, CAST(i.id AS text) AS id, i.kind, i.value, "
    "CAST(i.profile_id AS text) AS profile_id, CAST(i.cluster_id AS text) AS cluster_id, "
    "i.shared, i.contested, CAST(i.fold AS text) AS fold"
)
_NODES = text(
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) "
    "USING (workspace, id)"
)
_MEMBERS = text(
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN {_IDS} AS v(workspace, profile_id) "
    "USING (workspace, profile_id)"
)
_REACHED = text(
    # Not through users and shared identifiers, but for those that are to be followed.
    "WITH RECURSIVE reach(workspace, id, through, follow) AS ("
    "SELECT i.workspace, i.id, i.kind <> 'user_id' AND (v.follow OR NOT i.shared), v.follow "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    f"{packed('follow', 'boolean')}) AS v(workspace, id, follow) "
    "JOIN profile.identifier i USING (workspace, id) "
    "UNION SELECT n.workspace, n.id, n.kind <> 'user_id' AND NOT n.shared, false "
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
_LINK = (
    "l.workspace, CAST(l.a AS text) AS a, CAST(l.b AS text) AS b, l.kind, l.timestamp, "
    "l.message_id, l.source, l.void"
)
_LINKS = text(
    f"SELECT {_LINK} FROM profile.link l JOIN {_IDS} AS v(workspace, a) USING (workspace, a) "
    f"UNION SELECT {_LINK} FROM profile.link l JOIN {_IDS} AS v(workspace, b) USING (workspace, b)"
)
_PROFILES = text(
    "SELECT p.workspace, CAST(p.id AS text) AS id, p.version, CAST(p.summary AS text) AS summary "
    f"FROM profile.profile p JOIN {_IDS} AS v(workspace, id) USING (workspace, id)"
)
_MERGE_PROFILES = text(
    "UPDATE profile.identifier i SET profile_id = v.into_id FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('into', 'uuid')}) "
    "AS v(workspace, id, into_id) WHERE i.workspace = v.workspace AND i.profile_id = v.id"
)
_RENAME_CLUSTERS = text(
    "UPDATE profile.identifier i SET cluster_id = v.into_id FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('into', 'uuid')}) "
    "AS v(workspace, id, into_id) WHERE i.workspace = v.workspace AND i.cluster_id = v.id"
)
_SAVE_IDENTIFIERS = text(
    "UPDATE profile.identifier i SET profile_id = v.profile_id, cluster_id = v.cluster_id, "
    "shared = v.shared, contested = v.contested, fold = CAST(v.fold AS json) FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('profiles', 'uuid')}, "
    f"{packed('clusters', 'uuid')}, {packed('shared', 'boolean')}, "
    f"{packed('contested', 'boolean')}, CAST(:folds AS text[])) "
    "AS v(workspace, id, profile_id, cluster_id, shared, contested, fold) "
    "WHERE i.workspace = v.workspace AND i.id = v.id"
)
_SAVE_FOLDS = text(
    "UPDATE profile.identifier i SET fold = CAST(v.fold AS json) FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, CAST(:folds AS text[])) "
    "AS v(workspace, id, fold) WHERE i.workspace = v.workspace AND i.id = v.id"
)
_EVIDENCE = ("timestamp", "message_id", "source")
_EARLIER = (
    "(l.a IS NULL OR (v.timestamp, v.message_id, v.source) < (l.timestamp, l.message_id, l.source))"
)
_SAVE_LINKS = text(
    # Most links are known and as they were: those are looked up and neither locked nor written.
    "INSERT INTO profile.link (workspace, a, b, kind, timestamp, message_id, source, void) "
    "SELECT v.workspace, v.a, v.b, v.kind, "
    + ", ".join(f"CASE WHEN {_EARLIER} THEN v.{one} ELSE l.{one} END" for one in _EVIDENCE)
    + f", v.void FROM unnest({packed('workspaces', 'text')}, {packed('a', 'uuid')}, "
    f"{packed('b', 'uuid')}, {packed('kinds', 'text')}, CAST(:timestamps AS timestamptz[]), "
    f"CAST(:ids AS text[]), {packed('sources', 'text')}, {packed('void', 'boolean')}) "
    "AS v(workspace, a, b, kind, timestamp, message_id, source, void) "
    "LEFT JOIN profile.link l USING (workspace, a, b, kind) "
    f"WHERE l.a IS NULL OR {_EARLIER} OR v.void <> l.void "
    "ON CONFLICT (workspace, a, b, kind) DO UPDATE SET timestamp = excluded.timestamp, "
    "message_id = excluded.message_id, source = excluded.source, void = excluded.void"
)
_DROP_LINKS = text(
    "DELETE FROM profile.link WHERE (workspace, a, b, kind) IN (SELECT * FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('a', 'uuid')}, {packed('b', 'uuid')}, "
    f"{packed('kinds', 'text')}))"
)
_SAVE_PROFILES = text(
    "INSERT INTO profile.profile AS p (workspace, id, version, merged_into, members, summary) "
    "SELECT v.workspace, v.id, v.version, v.merged, v.members, CAST(v.summary AS json) "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    f"{packed('versions', 'bigint')}, {packed('merged', 'uuid')}, {packed('members', 'bigint')}, "
    "CAST(:summaries AS text[])) AS v(workspace, id, version, merged, members, summary) "
    "ON CONFLICT (workspace, id) DO UPDATE SET version = excluded.version, "
    "merged_into = excluded.merged_into, members = excluded.members, summary = excluded.summary"
)
_SPILL = text(
    "INSERT INTO profile.overflow AS o (workspace, identifier_id, kind, name, at, value) "
    "SELECT v.workspace, v.identifier_id, v.kind, v.name, v.at, CAST(v.value AS json) "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    f"{packed('kinds', 'text')}, CAST(:names AS text[]), CAST(:times AS timestamptz[]), "
    "CAST(:values AS text[])) AS v(workspace, identifier_id, kind, name, at, value) "
    "ON CONFLICT (workspace, identifier_id, kind, name) DO UPDATE SET at = excluded.at, "
    "value = excluded.value WHERE excluded.at >= o.at"
)
_UNSPILL = text(
    "DELETE FROM profile.overflow WHERE workspace = :workspace AND identifier_id = :id "
    "AND (kind, name) IN (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:names AS text[])))"
)


async def ensure_identifiers(tx: AsyncConnection, wanted: Mapping[Scoped, Identifier]) -> None:
    """Insert identifiers that are not there, in sorted order."""
    ordered = sorted(wanted)
    await tx.execute(
        _ENSURE,
        {
            **_scoped(ordered),
            "kinds": pack(wanted[one][0] for one in ordered),
            "values": [wanted[one][1] for one in ordered],
        },
    )


async def known(tx: AsyncConnection, wanted: Collection[Scoped]) -> set[Scoped]:
    """Those of the identifiers that are there."""
    if not wanted:
        return set()
    rows = await tx.execute(_KNOWN, _scoped(sorted(wanted)))
    return {(row.workspace, row.id) for row in rows}


async def load(
    tx: AsyncConnection, world: World, wanted: Collection[Scoped], held: set[Scoped]
) -> None:
    """Lock the clusters of identifiers, and take these and their profiles into `world`.

    A cluster is locked by the row of the identifier after which it is named: whoever changes
    anything in a cluster holds that row, so two batches with the same people in opposite order
    wait for each other and do not deadlock. `held` are the locks so far.
    """
    await _hold(tx, wanted, held)
    await _load_nodes(tx, world, _NODES, wanted)
    await _load_profiles(tx, world)


async def load_around(
    tx: AsyncConnection,
    world: World,
    seeds: Collection[Scoped],
    held: set[Scoped],
    *,
    beyond: Collection[Scoped] = (),
) -> None:
    """Load what identifiers are connected with, and the links.

    That is: their components, and the users next to those. `beyond`: identifiers whose links
    are followed even if they are shared or void, to see whether they still are.
    """
    ordered = sorted(seeds)
    asked = {**_scoped(ordered), "follow": pack("t" if one in beyond else "f" for one in ordered)}
    while True:
        rows = (await tx.execute(_REACHED, asked)).fetchall()
        reached = {(row.workspace, row.id) for row in rows}
        if not await _hold(tx, reached, held):
            break
    await _load_nodes(tx, world, _NODES, reached)
    await _load_links(tx, world, {(row.workspace, row.id) for row in rows if row.through})
    await _load_profiles(tx, world)


async def load_members(tx: AsyncConnection, world: World, profiles: Collection[Scoped]) -> None:
    """Load all identifiers of profiles whose clusters are held."""
    await _load_nodes(tx, world, _MEMBERS, profiles)
    await _load_profiles(tx, world)


async def _hold(tx: AsyncConnection, wanted: Collection[Scoped], held: set[Scoped]) -> bool:
    """Hold the clusters of identifiers; whether any of them was not held before."""
    before = len(held)
    asked = _scoped(sorted(wanted))
    while True:
        known = {
            "held_workspaces": pack(one[0] for one in held),
            "held": pack(one[1] for one in held),
        }
        labels = {(row[0], row[1]) for row in await tx.execute(_LABELS, {**asked, **known})}
        if not labels:
            return len(held) > before
        # While waiting for a lock the cluster may have been joined to another: look again.
        await tx.execute(_LOCK, _scoped(sorted(labels)))
        held |= labels


async def _load_nodes(
    tx: AsyncConnection, world: World, query: TextClause, wanted: Collection[Scoped]
) -> None:
    if not wanted:
        return
    for row in await tx.execute(query, _scoped(sorted(wanted))):
        node = Node(row.id, row.workspace, row.kind, row.value)
        node.profile_id, node.cluster_id = row.profile_id, row.cluster_id
        node.shared, node.contested = row.shared, row.contested
        node.stored = row.fold
        world.add_node(node)


async def _load_links(tx: AsyncConnection, world: World, ends: Collection[Scoped]) -> None:
    if not ends:
        return
    for row in await tx.execute(_LINKS, _scoped(sorted(ends))):
        evidence = (row.timestamp, row.message_id, row.source)
        world.add_link(Link((row.a, row.b, row.kind), row.workspace, evidence, row.void))


async def _load_profiles(tx: AsyncConnection, world: World) -> None:
    wanted = {
        (one.workspace, one.profile_id)
        for one in world.nodes.values()
        if one.profile_id is not None and one.profile_id not in world.profiles
    }
    if wanted:
        found = (await tx.execute(_PROFILES, _scoped(sorted(wanted)))).fetchall()
        for row in found:
            if row.summary is not None:
                summary = _summary.decode(row.summary)
                world.add_profile(Profile.of(row.id, row.workspace, row.version, summary))
        bare = [row for row in found if row.summary is None]
        if bare:
            await _summarise(tx, world, bare)
    world.settle()


async def _summarise(tx: AsyncConnection, world: World, rows: Sequence[Row[Any]]) -> None:
    """Profiles stored before there were summaries: made of their identifiers, once."""
    await _load_nodes(tx, world, _MEMBERS, {(row.workspace, row.id) for row in rows})
    for row in rows:
        members = [one for one in world.nodes.values() if one.profile_id == row.id]
        world.add_profile(Profile.made_of(row.id, row.workspace, row.version, members))


async def save(tx: AsyncConnection, world: World) -> None:
    """Write back what `world` says has changed."""
    await _save_identifiers(tx, world.changed_nodes.values())
    await _save_folds(tx, world)
    # After those that are loaded: only the others still have the former label.
    await _relabel(tx, _MERGE_PROFILES, world, world.merged)
    await _relabel(tx, _RENAME_CLUSTERS, world, world.renamed)
    await _save_links(tx, world)
    profiles = sorted(world.changed_profiles.values(), key=lambda one: one.id)
    if profiles:
        await tx.execute(
            _SAVE_PROFILES,
            {
                **_scoped([(one.workspace, one.id) for one in profiles]),
                "versions": pack(str(one.version) for one in profiles),
                "merged": pack(one.merged_into or "" for one in profiles),
                "members": pack(str(one.count) for one in profiles),
                "summaries": [encode(one.summary()).decode() for one in profiles],
            },
        )
    await _save_spilled(tx, world)


async def _relabel(
    tx: AsyncConnection, statement: TextClause, world: World, moved: Mapping[Id, Id]
) -> None:
    """Move whatever has one label to another, loaded or not."""
    if not moved:
        return
    ordered = sorted(moved)
    asked = _scoped([(world.workspaces[one], one) for one in ordered])
    await tx.execute(statement, {**asked, "into": pack(end_of(moved, one) for one in ordered)})


async def _save_spilled(tx: AsyncConnection, world: World) -> None:
    latest = {(node.workspace, node.id, one.kind, one.name): one for node, one in world.spilled}
    if not latest:
        return
    await tx.execute(
        _SPILL,
        {
            **_scoped([key[:2] for key in latest]),
            "kinds": pack(key[2] for key in latest),
            "names": [key[3] for key in latest],
            "times": [one.at for one in latest.values()],
            "values": [bytes(one.value).decode() for one in latest.values()],
        },
    )


async def unspill(
    tx: AsyncConnection, workspace: str, identifier: Id, names: Collection[tuple[str, str]]
) -> None:
    """Forget what is kept beside an identifier's fold under (kind, name)."""
    ordered = sorted(names)
    asked = {"kinds": [one[0] for one in ordered], "names": [one[1] for one in ordered]}
    await tx.execute(_UNSPILL, {"workspace": workspace, "id": identifier, **asked})


async def _save_identifiers(tx: AsyncConnection, nodes: Iterable[Node]) -> None:
    ordered = sorted(nodes, key=lambda one: one.id)
    if not ordered:
        return
    await tx.execute(
        _SAVE_IDENTIFIERS,
        {
            **_scoped([(one.workspace, one.id) for one in ordered]),
            "profiles": pack(one.profile_id or "" for one in ordered),
            "clusters": pack(one.cluster_id or "" for one in ordered),
            "shared": pack("t" if one.shared else "f" for one in ordered),
            "contested": pack("t" if one.contested else "f" for one in ordered),
            "folds": [one.stored or encode(one.fold).decode() for one in ordered],
        },
    )


async def _save_folds(tx: AsyncConnection, world: World) -> None:
    """The folds that identifiers have got back which are not loaded."""
    if not world.parted:
        return
    ordered = sorted(world.parted)
    folds = [encode(world.parted[one]).decode() for one in ordered]
    asked = _scoped([(world.workspaces[one], one) for one in ordered])
    await tx.execute(_SAVE_FOLDS, {**asked, "folds": folds})


async def _save_links(tx: AsyncConnection, world: World) -> None:
    changed = [world.changed_links[key] for key in sorted(world.changed_links)]
    kept = [one for one in changed if one.key in world.links]
    lost = [one for one in changed if one.key not in world.links]
    if lost:
        await tx.execute(_DROP_LINKS, _keys(lost))
    if not kept:
        return
    await tx.execute(
        _SAVE_LINKS,
        {
            **_keys(kept),
            "timestamps": [one.evidence[0] for one in kept],
            "ids": [one.evidence[1] for one in kept],
            "sources": pack(one.evidence[2] for one in kept),
            "void": pack("t" if one.void else "f" for one in kept),
        },
    )


def _keys(links: Sequence[Link]) -> dict[str, Any]:
    return {
        "workspaces": pack(one.workspace for one in links),
        "a": pack(one.key[0] for one in links),
        "b": pack(one.key[1] for one in links),
        "kinds": pack(one.key[2] for one in links),
    }


def _scoped(wanted: Sequence[Scoped]) -> dict[str, Any]:
    return {"workspaces": pack(one[0] for one in wanted), "ids": pack(one[1] for one in wanted)}
