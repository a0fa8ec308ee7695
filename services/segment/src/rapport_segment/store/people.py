"""The SQL of persons and memberships."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack_texts, packed_texts, read_uuid
from rapport_common.events.envelope import Identifier
from rapport_common.follower.domain import Key
from rapport_common.follower.follower import Batch, Follower
from rapport_segment.domain import sections
from rapport_segment.domain.membership import Entry, Person
from rapport_segment.domain.stays import with_entries
from rapport_segment.tables import FOLLOWED

_SECTIONS = ", ".join(f"CAST(p.{name} AS text)" for name in FOLLOWED.sections)
_AS_THEY_ARE = (0,) * len(FOLLOWED.sections)
FOLLOWER = Follower(FOLLOWED)


def ordered(people: Iterable[Person]) -> list[Person]:
    """People in the order in which their rows are locked, everywhere."""
    # By the numbers behind: comparing UUIDs themselves takes several times as long.
    return sorted(people, key=lambda one: (one.workspace, one.profile_id.int))


async def lock(tx: AsyncConnection, workspace: str, ids: Iterable[UUID]) -> list[Person]:
    """The persons with these ids, locked, with all that is known and their open entries."""
    wanted = {(workspace, str(one)): sections.ALL_SECTIONS for one in ids}
    held, stored = await FOLLOWER.store.lock(tx, wanted, reads=True)
    return ordered((await loaded(tx, Batch(FOLLOWER.following(held), stored))).values())


async def loaded(tx: AsyncConnection, batch: Batch) -> dict[Key, Person]:
    """The persons of a batch, with what is read of them and their open entries."""
    stored = batch.stored
    people = {
        key: Person(
            workspace=key[0],
            profile_id=read_uuid(key[1]),
            version=one.version,
            versions=one.versions,
            facts=sections.stored(stored.get(key, sections.NOT_READ), one.versions, key[1]),
            known=one.known,
        )
        for key, one in batch.following.held.items()
    }
    return with_entries(people, await open_entries(tx, people))


def _split(keys: Iterable[Key]) -> dict[str, Any]:
    """Parameters for keys, in the order given."""
    keys = list(keys)
    return {
        "workspaces": pack_texts([one[0] for one in keys]),
        "ids": [one[1] for one in keys],
    }


async def open_entries(tx: AsyncConnection, people: Mapping[Key, Person]) -> list[Entry]:
    """The open entries of these people, as far as judging needs them."""
    given = list(people.values())
    rows = await tx.execute(
        text(
            # Numbers instead of keys, and no reasons: most of the time goes into reading rows.
            # OFFSET 0 keeps the planner from joining before it knows how many are open: without
            # fresh statistics it would read the open entries of everybody.
            "SELECT v.n, m.segment_id, m.entry_id, m.entered_at, m.segment_version, m.beside "
            f"FROM unnest({packed_texts('workspaces')}, CAST(:ids AS uuid[])) "
            "WITH ORDINALITY AS v(workspace, profile_id, n), "
            "LATERAL (SELECT * FROM segment.membership o "
            "WHERE o.workspace = v.workspace AND o.profile_id = v.profile_id "
            "AND o.exited_at IS NULL OFFSET 0) AS m"
        ),
        _split(people),
    )
    entries = []
    for number, segment_id, entry_id, entered_at, version, beside in rows.all():
        who = given[number - 1]
        entries.append(
            Entry(
                who.workspace,
                segment_id,
                who.profile_id,
                entry_id,
                entered_at,
                version,
                beside=beside,
            )
        )
    return entries


async def find(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Person | None:
    """The person an id stands for, after merges; None when too little is known of it."""
    asked = (workspace, str(profile_id))
    now_id = (await FOLLOWER.store.resolve(tx, [asked]))[asked]
    rows = await tx.execute(
        text(
            f"SELECT p.workspace, p.profile_id, p.version, {_SECTIONS} FROM segment.person p "
            "WHERE p.workspace = :workspace AND p.known AND p.profile_id = :id"
        ),
        {"workspace": workspace, "id": now_id},
    )
    row = rows.first()
    if row is None:
        return None
    return _person(row)


async def some(
    tx: AsyncConnection, workspace: str, ids: Sequence[UUID], wanted: int = sections.ALL_SECTIONS
) -> list[Person]:
    """Those of these ids who are known, in their order, with the sections wanted (bits)."""
    rows = await tx.execute(
        text(
            f"SELECT p.workspace, p.profile_id, p.version, {_wanted(wanted)} FROM segment.person p "
            "WHERE p.workspace = :workspace AND p.known "
            "AND p.profile_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"workspace": workspace, "ids": list(ids)},
    )
    found = {one.profile_id: one for one in map(_person, rows.all())}
    return [found[one] for one in ids if one in found]


def _wanted(bits: int) -> str:
    """The columns of the sections that are wanted, NULL for the others."""
    return ", ".join(
        f"CAST(p.{name} AS text)" if bits & 1 << place else "NULL"
        for place, name in enumerate(FOLLOWED.sections)
    )


def _person(row: Any) -> Person:
    workspace, profile_id, version, *texts = row
    facts = sections.stored(texts, _AS_THEY_ARE, str(profile_id))
    return Person(workspace, profile_id, version, facts=facts, known=True)


async def known(
    tx: AsyncConnection, workspace: str, *, after: UUID | None, upto: UUID, wanted: int
) -> list[Person]:
    """Who is known of ids `after` < id <= `upto`, with the sections that are wanted (bits); they
    are not locked, and come without entries.
    """
    rows = await tx.execute(
        text(
            f"SELECT p.workspace, p.profile_id, p.version, {_wanted(wanted)} FROM segment.person p "
            "WHERE p.workspace = :workspace AND p.known AND p.profile_id <= :upto "
            "AND (CAST(:after AS uuid) IS NULL OR p.profile_id > CAST(:after AS uuid))"
        ),
        {"workspace": workspace, "after": after, "upto": upto},
    )
    return [_person(row) for row in rows.all()]


async def free(tx: AsyncConnection, keys: Collection[Key]) -> set[Key]:
    """Lock those of these persons whom nobody else has in hand, in the order of their keys."""
    rows = await tx.execute(
        text(
            "SELECT p.workspace, CAST(p.profile_id AS text) FROM "
            f"unnest({packed_texts('workspaces')}, CAST(:ids AS uuid[])) "
            "AS v(workspace, profile_id) JOIN segment.person p USING (workspace, profile_id) "
            "ORDER BY p.workspace, p.profile_id FOR NO KEY UPDATE OF p SKIP LOCKED"
        ),
        _split(keys),
    )
    return {(row[0], row[1]) for row in rows.all()}


async def having(
    tx: AsyncConnection, workspace: str, identifiers: Collection[Identifier]
) -> list[UUID]:
    """Who is known and has one of these identifiers, in the order of their ids."""
    rows = await tx.execute(
        text(
            "SELECT DISTINCT p.profile_id FROM "
            f"unnest({packed_texts('kinds')}, {packed_texts('values')}) AS v(kind, value) "
            "JOIN segment.person p ON p.workspace = :workspace AND p.known AND p.identifiers "
            "@> jsonb_build_object(v.kind, jsonb_build_array(v.value)) ORDER BY p.profile_id"
        ),
        {
            "workspace": workspace,
            "kinds": pack_texts([kind for kind, _value in identifiers]),
            "values": pack_texts([value for _kind, value in identifiers]),
        },
    )
    return list(rows.scalars())


async def counts(tx: AsyncConnection) -> dict[str, int]:
    """How many persons and open entries there are, over all workspaces."""
    row = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM segment.person WHERE known), "
            "(SELECT count(*) FROM segment.membership WHERE exited_at IS NULL AND NOT beside), "
            "(SELECT count(*) FROM segment.person WHERE lacks IS NOT NULL)"
        )
    )
    persons, open_memberships, lacking = row.one()
    return {"persons": persons, "open_memberships": open_memberships, "lacking": lacking}


async def page(
    tx: AsyncConnection, workspace: str, *, after: UUID | None, limit: int
) -> tuple[UUID | None, int]:
    """The last of the next `limit` ids behind `after`, and how many they are; None at the end."""
    rows = await tx.execute(
        text(
            "SELECT p.profile_id FROM segment.person p WHERE p.workspace = :workspace "
            "AND (CAST(:after AS uuid) IS NULL OR p.profile_id > CAST(:after AS uuid)) "
            "ORDER BY p.profile_id LIMIT :limit"
        ),
        {"workspace": workspace, "after": after, "limit": limit},
    )
    ids = rows.scalars().all()
    return (ids[-1] if ids else None), len(ids)


async def count(tx: AsyncConnection, workspace: str) -> int:
    """How many ids a workspace has, those that are merged away too."""
    rows = await tx.execute(
        text("SELECT count(*) FROM segment.person WHERE workspace = :workspace"),
        {"workspace": workspace},
    )
    return int(rows.scalar_one())
