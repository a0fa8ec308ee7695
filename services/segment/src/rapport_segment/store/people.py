"""The SQL of persons, aliases and memberships."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_segment.domain import facts
from rapport_segment.domain.membership import Entry, Key, Person

_ENTRY_COLUMNS = Entry.__struct_fields__
_ENTRY = ", ".join(f"m.{name}" for name in _ENTRY_COLUMNS)
_ENTRY_TYPES = (
    "text[]",
    "uuid[]",
    "uuid[]",
    "uuid[]",
    "timestamptz[]",
    "int[]",
    "bigint[]",
    "text[]",
    "timestamptz[]",
    "text[]",
)
_KEYS = "unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]))"


def ordered(keys: Iterable[Key]) -> list[Key]:
    """Keys in the order in which their rows are locked, everywhere."""
    # By the numbers behind: comparing UUIDs themselves takes several times as long.
    return sorted(keys, key=lambda key: (key[0], key[1].int))


def _split(keys: Iterable[Key]) -> dict[str, Any]:
    """Parameters for `_KEYS`, in the order given."""
    keys = list(keys)
    return {"workspaces": [one[0] for one in keys], "ids": [one[1] for one in keys]}


async def lock(
    tx: AsyncConnection, keys: Collection[Key], with_facts: Collection[Key]
) -> dict[Key, Person]:
    """The persons with these ids, made if missing, locked in the order of their ids.

    `facts` are loaded for those in `with_facts`; entries are not.
    """
    sorted_keys = ordered(keys)
    given = _split(sorted_keys)
    await tx.execute(
        text(
            "INSERT INTO segment.person (workspace, profile_id, version) "
            f"SELECT v.workspace, v.profile_id, 0 FROM {_KEYS} AS v(workspace, profile_id) "
            "ORDER BY 1, 2 ON CONFLICT DO NOTHING"
        ),
        given,
    )
    rows = await tx.execute(
        text(
            "SELECT p.workspace, p.profile_id, p.version, "
            "CASE WHEN v.wanted THEN CAST(p.state AS text) END AS state "
            "FROM segment.person p JOIN unnest(CAST(:workspaces AS text[]), "
            "CAST(:ids AS uuid[]), CAST(:wanted AS bool[])) AS v(workspace, profile_id, wanted) "
            "USING (workspace, profile_id) ORDER BY 1, 2 FOR UPDATE OF p"
        ),
        {**given, "wanted": [key in with_facts for key in sorted_keys]},
    )
    return {(row.workspace, row.profile_id): _person(row) for row in rows.all()}


def _person(row: Row[Any]) -> Person:
    if row.state is None:
        return Person(row.workspace, row.profile_id, row.version)
    known = facts.read(row.state)
    return Person(row.workspace, row.profile_id, row.version, known, row.state.encode())


async def aliases(tx: AsyncConnection, keys: Collection[Key]) -> dict[Key, UUID]:
    """Of these ids, those that are merged away, and into which."""
    rows = await tx.execute(
        text(
            "SELECT a.workspace, a.old_id, a.profile_id FROM segment.alias a "
            f"JOIN {_KEYS} AS v(workspace, old_id) USING (workspace, old_id)"
        ),
        _split(keys),
    )
    return {(row.workspace, row.old_id): row.profile_id for row in rows.all()}


async def open_entries(tx: AsyncConnection, keys: Collection[Key]) -> list[Entry]:
    """The open entries of these ids, as far as judging needs them."""
    given = list(keys)
    rows = await tx.execute(
        text(
            # Numbers instead of keys, and no reasons: most of the time goes into reading rows.
            # OFFSET 0 keeps the planner from joining before it knows how many are open: without
            # fresh statistics it would read the open entries of everybody.
            "SELECT v.n, m.segment_id, m.entry_id, m.entered_at, m.segment_version "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[])) WITH ORDINALITY "
            "AS v(workspace, profile_id, n), LATERAL (SELECT * FROM segment.membership o "
            "WHERE o.workspace = v.workspace AND o.profile_id = v.profile_id "
            "AND o.exited_at IS NULL OFFSET 0) AS m"
        ),
        _split(given),
    )
    entries = []
    for number, segment_id, entry_id, entered_at, version in rows.all():
        workspace, profile_id = given[number - 1]
        entries.append(Entry(workspace, segment_id, profile_id, entry_id, entered_at, version))
    return entries


async def save(tx: AsyncConnection, people: Sequence[Person]) -> None:
    """Write version and state of locked persons."""
    if not people:
        return
    await tx.execute(
        text(
            "UPDATE segment.person AS p SET version = v.version, state = CAST(v.state AS jsonb) "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), "
            "CAST(:versions AS bigint[]), CAST(:states AS text[])) "
            "AS v(workspace, profile_id, version, state) "
            "WHERE p.workspace = v.workspace AND p.profile_id = v.profile_id"
        ),
        {
            "workspaces": [one.workspace for one in people],
            "ids": [one.profile_id for one in people],
            "versions": [one.version for one in people],
            "states": [one.stored.decode() if one.stored else None for one in people],
        },
    )


async def insert_entries(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write new entries."""
    if not entries:
        return
    columns = ", ".join(_ENTRY_COLUMNS)
    arrays = ", ".join(
        f"CAST(:{name} AS {kind})" for name, kind in zip(_ENTRY_COLUMNS, _ENTRY_TYPES, strict=True)
    )
    await tx.execute(
        text(f"INSERT INTO segment.membership ({columns}) SELECT * FROM unnest({arrays})"),
        {name: [getattr(one, name) for one in entries] for name in _ENTRY_COLUMNS},
    )


async def update_entries(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Write the beginning and the end of entries that are there."""
    if not entries:
        return
    await tx.execute(
        text(
            "UPDATE segment.membership AS m SET entered_at = v.entered_at, "
            "exited_at = v.exited_at, exit_reason = v.exit_reason "
            "FROM unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), "
            "CAST(:entered AS timestamptz[]), CAST(:exited AS timestamptz[]), "
            "CAST(:reasons AS text[]), CAST(:people AS uuid[]), CAST(:segments AS uuid[])) AS "
            "v(workspace, entry_id, entered_at, exited_at, exit_reason, profile_id, segment_id) "
            "WHERE m.workspace = v.workspace AND m.profile_id = v.profile_id "
            "AND m.segment_id = v.segment_id AND m.entry_id = v.entry_id"
        ),
        {
            "workspaces": [one.workspace for one in entries],
            "ids": [one.entry_id for one in entries],
            "people": [one.profile_id for one in entries],
            "segments": [one.segment_id for one in entries],
            "entered": [one.entered_at for one in entries],
            "exited": [one.exited_at for one in entries],
            "reasons": [one.exit_reason for one in entries],
        },
    )


_MOVES = (
    "unnest(CAST(:workspaces AS text[]), CAST(:ids AS uuid[]), CAST(:survivors AS uuid[])) "
    "AS v(workspace, old_id, survivor)"
)


def _pairs(held: Mapping[Key, UUID]) -> dict[str, Any]:
    return {**_split(held), "survivors": list(held.values())}


async def move(tx: AsyncConnection, moves: Mapping[Key, UUID]) -> None:
    """Make the entries and aliases of ids those of others.

    Open entries that the other has as well must have been closed before.
    """
    if not moves:
        return
    for table in ("membership", "alias"):
        await tx.execute(
            text(
                f"UPDATE segment.{table} AS t SET profile_id = v.survivor FROM {_MOVES} "
                "WHERE t.workspace = v.workspace AND t.profile_id = v.old_id"
            ),
            _pairs(moves),
        )


async def set_aliases(
    tx: AsyncConnection, joined: Mapping[Key, UUID], revived: Collection[Key]
) -> None:
    """Write what ids are merged into, and that others are nobody's alias any more."""
    if revived:
        await tx.execute(
            text(
                f"DELETE FROM segment.alias a USING {_KEYS} AS v(workspace, old_id) "
                "WHERE a.workspace = v.workspace AND a.old_id = v.old_id"
            ),
            _split(revived),
        )
    if joined:
        await tx.execute(
            text(
                "INSERT INTO segment.alias (workspace, old_id, profile_id) "
                f"SELECT v.workspace, v.old_id, v.survivor FROM {_MOVES} "
                "ON CONFLICT (workspace, old_id) DO UPDATE SET profile_id = excluded.profile_id"
            ),
            _pairs(joined),
        )


async def find(tx: AsyncConnection, workspace: str, profile_id: UUID) -> Person | None:
    """The person an id stands for, after merges; None when nothing is known of it."""
    rows = await tx.execute(
        text(
            "SELECT p.workspace, p.profile_id, p.version, CAST(p.state AS text) AS state "
            "FROM segment.person p WHERE p.workspace = :workspace AND p.state IS NOT NULL "
            "AND p.profile_id = COALESCE((SELECT a.profile_id FROM segment.alias a "
            "WHERE a.workspace = :workspace AND a.old_id = :id), :id)"
        ),
        {"workspace": workspace, "id": profile_id},
    )
    row = rows.first()
    return None if row is None else _person(row)


async def stays(
    tx: AsyncConnection, workspace: str, segment_id: UUID, profile_id: UUID
) -> list[Entry]:
    """A person's entries in a segment, the newest first; at most 100."""
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
            "AND m.segment_id = :segment AND m.profile_id = :id "
            "ORDER BY m.exited_at DESC NULLS FIRST LIMIT 100"
        ),
        {"workspace": workspace, "segment": segment_id, "id": profile_id},
    )
    return [Entry(*row) for row in rows.all()]


async def members(
    tx: AsyncConnection, workspace: str, segment_id: UUID, *, after: UUID | None, limit: int
) -> list[Entry]:
    """Open entries in the order of profile ids, from the one behind `after` on."""
    rows = await tx.execute(
        text(
            f"SELECT {_ENTRY} FROM segment.membership m WHERE m.workspace = :workspace "
            "AND m.segment_id = :segment AND m.exited_at IS NULL "
            "AND (CAST(:after AS uuid) IS NULL OR m.profile_id > CAST(:after AS uuid)) "
            "ORDER BY m.profile_id LIMIT :limit"
        ),
        {"workspace": workspace, "segment": segment_id, "after": after, "limit": limit},
    )
    return [Entry(*row) for row in rows.all()]


async def counts(tx: AsyncConnection) -> dict[str, int]:
    """How many persons and open entries there are, over all workspaces."""
    row = await tx.execute(
        text(
            "SELECT (SELECT count(*) FROM segment.person WHERE state IS NOT NULL), "
            "(SELECT count(*) FROM segment.membership WHERE exited_at IS NULL)"
        )
    )
    persons, open_memberships = row.one()
    return {"persons": persons, "open_memberships": open_memberships}


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
