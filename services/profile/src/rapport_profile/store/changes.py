"""Writing back what a batch has changed of the people it touched."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_profile.domain.links import Link
from rapport_profile.domain.loaded import end_of
from rapport_profile.domain.naming import Id
from rapport_profile.domain.people import Node
from rapport_profile.domain.working_set import WorkingSet
from rapport_profile.store import search
from rapport_profile.store.people import scoped

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
_UNSPILL_ALL = text(
    "DELETE FROM profile.overflow WHERE workspace = :workspace "
    "AND identifier_id = ANY(CAST(:ids AS uuid[]))"
)


async def save(tx: AsyncConnection, working: WorkingSet) -> None:
    """Write back what `working` says has changed."""
    await _save_identifiers(tx, working.changed_nodes.values())
    await _save_folds(tx, working)
    # After those that are loaded: only the others still have the former label.
    await _relabel(tx, _MERGE_PROFILES, working, working.merged)
    await _relabel(tx, _RENAME_CLUSTERS, working, working.renamed)
    await _save_links(tx, working)
    profiles = sorted(working.changed_profiles.values(), key=lambda one: one.id)
    if profiles:
        await tx.execute(
            _SAVE_PROFILES,
            {
                **scoped([(one.workspace, one.id) for one in profiles]),
                "versions": pack(str(one.version) for one in profiles),
                "merged": pack(one.merged_into or "" for one in profiles),
                "members": pack(str(one.count) for one in profiles),
                "summaries": [encode(one.summary()).decode() for one in profiles],
            },
        )
    await _save_spilled(tx, working)
    anew = [working.profiles[one] for one in sorted(working.found_anew)]
    await search.owe(tx, [(one.workspace, one.id) for one in anew])


async def unspill(
    tx: AsyncConnection, workspace: str, identifier: Id, names: Collection[tuple[str, str]]
) -> None:
    """Forget what is kept beside an identifier's fold under (kind, name)."""
    ordered = sorted(names)
    asked = {"kinds": [one[0] for one in ordered], "names": [one[1] for one in ordered]}
    await tx.execute(_UNSPILL, {"workspace": workspace, "id": identifier, **asked})


async def unspill_all(tx: AsyncConnection, workspace: str, identifiers: Sequence[Id]) -> None:
    """Forget all that is kept beside the folds of some identifiers."""
    if identifiers:
        await tx.execute(_UNSPILL_ALL, {"workspace": workspace, "ids": list(identifiers)})


async def _save_identifiers(tx: AsyncConnection, nodes: Iterable[Node]) -> None:
    ordered = sorted(nodes, key=lambda one: one.id)
    if not ordered:
        return
    await tx.execute(
        _SAVE_IDENTIFIERS,
        {
            **scoped([(one.workspace, one.id) for one in ordered]),
            "profiles": pack(one.profile_id or "" for one in ordered),
            "clusters": pack(one.cluster_id or "" for one in ordered),
            "shared": pack("t" if one.shared else "f" for one in ordered),
            "contested": pack("t" if one.contested else "f" for one in ordered),
            "folds": [one.stored or encode(one.fold).decode() for one in ordered],
        },
    )


async def _save_folds(tx: AsyncConnection, working: WorkingSet) -> None:
    """The folds that identifiers have got back which are not loaded."""
    if not working.parted:
        return
    ordered = sorted(working.parted)
    folds = [encode(working.parted[one]).decode() for one in ordered]
    asked = scoped([(working.workspaces[one], one) for one in ordered])
    await tx.execute(_SAVE_FOLDS, {**asked, "folds": folds})


async def _relabel(
    tx: AsyncConnection, statement: TextClause, working: WorkingSet, moved: Mapping[Id, Id]
) -> None:
    """Move whatever has one label to another, loaded or not."""
    if not moved:
        return
    ordered = sorted(moved)
    asked = scoped([(working.workspaces[one], one) for one in ordered])
    await tx.execute(statement, {**asked, "into": pack(end_of(moved, one) for one in ordered)})


async def _save_links(tx: AsyncConnection, working: WorkingSet) -> None:
    changed = [working.changed_links[key] for key in sorted(working.changed_links)]
    kept = [one for one in changed if one.key in working.links]
    # A row that is there keeps the earlier evidence: what was corrected is written anew.
    lost = [one for one in changed if one.key not in working.links or one.corrected]
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


async def _save_spilled(tx: AsyncConnection, working: WorkingSet) -> None:
    latest = {(workspace, who, one.kind, one.name): one for workspace, who, one in working.spilled}
    if not latest:
        return
    await tx.execute(
        _SPILL,
        {
            **scoped([(key[0], key[1]) for key in latest]),
            "kinds": pack(key[2] for key in latest),
            "names": [key[3] for key in latest],
            "times": [one.at for one in latest.values()],
            "values": [bytes(one.value).decode() for one in latest.values()],
        },
    )


def _keys(links: Sequence[Link]) -> dict[str, Any]:
    return {
        "workspaces": pack(one.workspace for one in links),
        "a": pack(one.key[0] for one in links),
        "b": pack(one.key[1] for one in links),
        "kinds": pack(one.key[2] for one in links),
    }
