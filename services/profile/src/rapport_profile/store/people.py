"""Loading the people a batch touches, locked, and writing back what changed of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Identifier
from rapport_profile.domain.facts import Id
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.world import Link, Node, Profile, World

Scoped = tuple[str, Id]
"""(workspace, id)"""

_fold = msgspec.json.Decoder(Fold)

_IDS = f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')})"
_COLUMNS = (
    "i.workspace, CAST(i.id AS text) AS id, i.kind, i.value, "
    "CAST(i.profile_id AS text) AS profile_id, CAST(i.cluster_id AS text) AS cluster_id, "
    "i.shared, CAST(i.fold AS text) AS fold"
)
_ENSURE = text(
    "INSERT INTO profile.identifier (workspace, id, kind, value, fold) "
    "SELECT v.*, '{}' FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('kinds', 'text')}, "
    "CAST(:values AS text[])) AS v ON CONFLICT DO NOTHING"
)
_SEEDS = text(
    "SELECT i.workspace, CAST(i.id AS text) AS id, i.kind, i.value, "
    "CAST(i.cluster_id AS text) AS cluster_id "
    f"FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) "
    "USING (workspace, id)"
)
_LOCK = text(
    f"SELECT i.id FROM profile.identifier i JOIN {_IDS} AS v(workspace, id) "
    "USING (workspace, id) ORDER BY i.workspace, i.id FOR UPDATE OF i"
)
_CLUSTERS = text(
    f"SELECT {_COLUMNS} FROM profile.identifier i JOIN {_IDS} AS v(workspace, cluster_id) "
    "USING (workspace, cluster_id)"
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
    "SELECT p.workspace, CAST(p.id AS text) AS id, p.version, "
    "CAST(p.merged_into AS text) AS merged_into "
    f"FROM profile.profile p JOIN {_IDS} AS v(workspace, id) USING (workspace, id)"
)
_SAVE_IDENTIFIERS = text(
    "UPDATE profile.identifier i SET profile_id = v.profile_id, cluster_id = v.cluster_id, "
    "shared = v.shared, fold = CAST(v.fold AS json) FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('ids', 'uuid')}, {packed('profiles', 'uuid')}, "
    f"{packed('clusters', 'uuid')}, {packed('shared', 'boolean')}, CAST(:folds AS text[])) "
    "AS v(workspace, id, profile_id, cluster_id, shared, fold) "
    "WHERE i.workspace = v.workspace AND i.id = v.id"
)
_SAVE_LINKS = text(
    "INSERT INTO profile.link AS l (workspace, a, b, kind, timestamp, message_id, source, void) "
    f"SELECT * FROM unnest({packed('workspaces', 'text')}, {packed('a', 'uuid')}, "
    f"{packed('b', 'uuid')}, {packed('kinds', 'text')}, CAST(:timestamps AS timestamptz[]), "
    f"CAST(:ids AS text[]), {packed('sources', 'text')}, {packed('void', 'boolean')}) "
    "ON CONFLICT (workspace, a, b, kind) DO UPDATE SET timestamp = excluded.timestamp, "
    "message_id = excluded.message_id, source = excluded.source, void = excluded.void"
)
_DROP_LINKS = text(
    "DELETE FROM profile.link WHERE (workspace, a, b, kind) IN (SELECT * FROM unnest("
    f"{packed('workspaces', 'text')}, {packed('a', 'uuid')}, {packed('b', 'uuid')}, "
    f"{packed('kinds', 'text')}))"
)
_SAVE_PROFILES = text(
    "INSERT INTO profile.profile AS p (workspace, id, version, merged_into) "
    f"SELECT * FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    f"{packed('versions', 'bigint')}, {packed('merged', 'uuid')}) "
    "ON CONFLICT (workspace, id) DO UPDATE SET version = excluded.version, "
    "merged_into = excluded.merged_into"
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
    rows = await tx.execute(_SEEDS, _scoped(sorted(wanted)))
    return {(row.workspace, row.id) for row in rows}


async def load_around(
    tx: AsyncConnection,
    world: World,
    seeds: Collection[Scoped],
    *,
    beyond: Collection[Scoped] = (),
) -> None:
    """Lock the clusters of the seeds and take all that is in them into `world`.

    A cluster is locked by the row of its smallest identifier, after which it is named: whoever
    changes anything in a cluster holds that row, so two batches with the same people in
    opposite order wait for each other and do not deadlock. `beyond`: identifiers whose links
    are followed even if they are shared, to see whether they still are.
    """
    held: set[Scoped] = set()
    await _own(tx, world, seeds, held)
    links_of: set[Scoped] = set()
    while True:
        ends = {
            (one.workspace, one.id)
            for one in world.nodes.values()
            if not one.shared or (one.workspace, one.id) in beyond
        } - links_of
        if not ends:
            break
        links_of |= ends
        await _load_links(tx, world, ends)
        await _own(tx, world, _unloaded_ends(world, beyond), held)
    await _load_profiles(tx, world)
    world.settle()


async def _own(
    tx: AsyncConnection, world: World, wanted: Collection[Scoped], held: set[Scoped]
) -> None:
    """Hold the clusters of the wanted identifiers, and load all their members."""
    if not wanted:
        return
    while True:
        found = (await tx.execute(_SEEDS, _scoped(sorted(wanted)))).fetchall()
        labels = {(row.workspace, row.cluster_id or row.id) for row in found} - held
        if not labels:
            break
        # While waiting for a lock the cluster may have been joined to another: look again.
        await tx.execute(_LOCK, _scoped(sorted(labels)))
        held |= labels
    for row in found:
        if row.cluster_id is None:
            # Inserted just now: nothing is known of it.
            world.add_node(Node(row.id, row.workspace, row.kind, row.value))
    await _load_clusters(tx, world, {(row.workspace, row.cluster_id) for row in found})


async def _load_clusters(
    tx: AsyncConnection, world: World, clusters: Collection[tuple[str, Id | None]]
) -> None:
    wanted = sorted((workspace, one) for workspace, one in clusters if one is not None)
    if not wanted:
        return
    for row in await tx.execute(_CLUSTERS, _scoped(wanted)):
        node = Node(row.id, row.workspace, row.kind, row.value)
        node.profile_id, node.cluster_id, node.shared = row.profile_id, row.cluster_id, row.shared
        node.fold = _fold.decode(row.fold)
        world.add_node(node)


async def _load_links(tx: AsyncConnection, world: World, ends: Collection[Scoped]) -> None:
    for row in await tx.execute(_LINKS, _scoped(sorted(ends))):
        evidence = (row.timestamp, row.message_id, row.source)
        world.add_link(Link((row.a, row.b, row.kind), row.workspace, evidence, row.void))


def _unloaded_ends(world: World, beyond: Collection[Scoped]) -> set[Scoped]:
    if not beyond:
        return set()
    return {
        (link.workspace, end)
        for link in world.links.values()
        for end, other in (link.key[:2], link.key[1::-1])
        if end not in world.nodes and (link.workspace, other) in beyond
    }


async def _load_profiles(tx: AsyncConnection, world: World) -> None:
    wanted = {
        (one.workspace, one.profile_id)
        for one in world.nodes.values()
        if one.profile_id is not None
    }
    if not wanted:
        return
    for row in await tx.execute(_PROFILES, _scoped(sorted(wanted))):
        world.add_profile(Profile(row.id, row.workspace, row.version, row.merged_into))


async def save(tx: AsyncConnection, world: World) -> None:
    """Write back what `world` says has changed."""
    await _save_identifiers(tx, world.changed_nodes.values())
    await _save_links(tx, world)
    profiles = sorted(world.changed_profiles.values(), key=lambda one: one.id)
    if profiles:
        await tx.execute(
            _SAVE_PROFILES,
            {
                **_scoped([(one.workspace, one.id) for one in profiles]),
                "versions": pack(str(one.version) for one in profiles),
                "merged": pack(one.merged_into or "" for one in profiles),
            },
        )


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
            "folds": [encode(one.fold).decode() for one in ordered],
        },
    )


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
