"""Events that go, and their sums that stay: `identifier.expired` is the fold of what went.

An event is in the timeline or in the sums, never in both, for whoever holds the lock on its
identifier. A part of the timeline that was taken off is added to the sums in the order of its key:
what is before `timeline_closing`'s place is in them, what is behind it is nowhere else.

Of whom the law wants all kept the events stay: those of a part that was taken off go back into the
timeline, to what is older than its months, and wait there until nothing holds them any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.events.codec import encode
from rapport_common.events.envelope import Event
from rapport_profile.domain.fold import Fold
from rapport_profile.domain.folding import fold_all
from rapport_profile.domain.naming import Id
from rapport_profile.store import computed_states, holding
from rapport_profile.store.holding import IS_HELD
from rapport_profile.store.inbox import stored_event
from rapport_profile.store.rules import RuleShelf
from rapport_profile.store.timeline_parts import EARLY

Scoped = tuple[str, Id]
"""(workspace, identifier)"""

_fold = msgspec.json.Decoder(Fold)

_KEY = "workspace, identifier_id, timestamp, source, message_id"
_EVENT = "workspace, CAST(identifier_id AS text) AS identifier_id, CAST(event AS text) AS event"
_SUMS = text(
    "SELECT i.workspace, CAST(i.id AS text) AS id, CAST(i.expired AS text) AS fold "
    f"FROM profile.identifier i JOIN unnest({packed('workspaces', 'text')}, "
    f"{packed('ids', 'uuid')}) AS v(workspace, id) USING (workspace, id) "
    "ORDER BY i.workspace, i.id FOR UPDATE OF i"
)
_ADD = text(
    "UPDATE profile.identifier i SET expired = CAST(v.fold AS json) "
    f"FROM unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}, "
    "CAST(:folds AS text[])) AS v(workspace, id, fold) "
    "WHERE i.workspace = v.workspace AND i.id = v.id"
)
_EXPIRE_EARLY = text(
    f"DELETE FROM profile.{EARLY} WHERE ctid IN (SELECT ctid FROM profile.{EARLY} "
    f"WHERE timestamp < :cutoff AND NOT {IS_HELD.format(EARLY)} "
    f"ORDER BY timestamp LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING {_EVENT}"
)
_REMOVE = text(
    "DELETE FROM profile.timeline t USING unnest("
    f"{packed('ids', 'uuid')}, CAST(:times AS timestamptz[]), {packed('sources', 'text')}, "
    "CAST(:messages AS text[])) AS v(identifier_id, timestamp, source, message_id) "
    "WHERE t.workspace = :workspace AND t.identifier_id = v.identifier_id "
    "AND t.timestamp = v.timestamp AND t.source = v.source AND t.message_id = v.message_id "
    "RETURNING t.workspace, CAST(t.identifier_id AS text) AS identifier_id, "
    "CAST(t.event AS text) AS event"
)
_STEADY = text("LOCK TABLE ONLY profile.timeline IN ACCESS SHARE MODE")
_STANDING = text("SELECT name FROM profile.timeline_closing ORDER BY name FOR KEY SHARE")
_CLAIM = text(
    "SELECT name FROM profile.timeline_closing ORDER BY name LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
)
_BEHIND = f"({_KEY}) > (SELECT {_KEY} FROM profile.timeline_closing WHERE name = :name)"
_GIVEN = (
    "(:workspace, CAST(:identifier_id AS uuid), CAST(:timestamp AS timestamptz), "
    ":source, :message_id)"
)
_MOVE_ON = text(
    "UPDATE profile.timeline_closing SET workspace = :workspace, identifier_id = :identifier_id, "
    "timestamp = :timestamp, source = :source, message_id = :message_id WHERE name = :name"
)
_DONE = text("DELETE FROM profile.timeline_closing WHERE name = :name")


async def add(tx: AsyncConnection, gone: Mapping[Scoped, Sequence[Event]]) -> None:
    """Add events to the sums of their identifiers, which are locked in order."""
    if not gone:
        return
    known = await _sums(tx, gone)
    book = await RuleShelf().book(tx, {workspace for workspace, _id in gone})
    totals = {}
    for key in sorted(gone):
        total = totals[key] = fold_all(gone[key], book.of(key[0]).judge)
        if (before := known.get(key)) is not None:
            total.join(before)
    folds = [encode(total).decode() for total in totals.values()]
    await tx.execute(_ADD, {**_columns(totals), "folds": folds})
    await computed_states.expire(tx, gone)


async def expire_early(tx: AsyncConnection, cutoff: datetime, limit: int) -> int:
    """Of what is older than the oldest month, remove events from before `cutoff`; how many.

    These come late, or were there before the timeline had parts.
    """
    rows = (await tx.execute(_EXPIRE_EARLY, {"cutoff": cutoff, "limit": limit})).fetchall()
    await add(tx, _by_identifier(rows))
    return len(rows)


async def remove(tx: AsyncConnection, workspace: str, events: Sequence[tuple[Id, Event]]) -> int:
    """Remove these events of identifiers from the timeline, as far as they are there; how many."""
    result = await tx.execute(
        _REMOVE,
        {
            "workspace": workspace,
            "ids": pack(hub for hub, _event in events),
            "times": [one.timestamp for _hub, one in events],
            "sources": pack(one.source for _hub, one in events),
            "messages": [one.message_id for _hub, one in events],
        },
    )
    rows = result.fetchall()
    await add(tx, _by_identifier(rows))
    return len(rows)


async def expire_closing(tx: AsyncConnection, limit: int) -> int | None:
    """Add some events of a part that was taken off to the sums; when all are, drop it.

    How many they were; None when there is no part, or another process is at it.
    """
    name = (await tx.execute(_CLAIM)).scalar()
    if name is None:
        return None
    asked = {"name": name, "limit": limit}
    behind = f"FROM profile.{name} WHERE {_BEHIND}"
    keys = f"SELECT {_KEY} {behind} ORDER BY {_KEY} LIMIT :limit"
    ahead = (await tx.execute(text(keys), asked)).fetchall()
    if not ahead:
        # In this order: who reads the part holds its row.
        await tx.execute(_DONE, asked)
        await tx.execute(text(f"DROP TABLE profile.{name}"))
        return 0
    await _sums(tx, {(row.workspace, str(row.identifier_id)) for row in ahead})
    last = {"name": name, **ahead[-1]._mapping}  # noqa: SLF001 - SQLAlchemy's public name for it
    # Read again: somebody may have settled an identifier before it was locked.
    page = f"{behind} AND ({_KEY}) <= {_GIVEN}"
    kept = await holding.held(tx, {(row.workspace, str(row.identifier_id)) for row in ahead})
    await _put_back(tx, page, kept, last)
    rows = (await tx.execute(text(f"SELECT {_EVENT} {page}"), last)).fetchall()
    await add(tx, _by_identifier(rows))
    await tx.execute(_MOVE_ON, last)
    return len(rows)


async def keep_held(tx: AsyncConnection, limit: int) -> int:
    """Put back the events of some whom the law wants held, of parts that were taken off; of how
    many identifiers.
    """
    number = 0
    for name in (await tx.execute(_STANDING)).scalars().all():
        waiting = text(
            "SELECT DISTINCT workspace, CAST(identifier_id AS text) AS id "
            f"FROM profile.{name} WHERE {_BEHIND} AND {IS_HELD.format(name)} LIMIT :limit"
        )
        rows = (await tx.execute(waiting, {"name": name, "limit": limit})).fetchall()
        found: dict[str, list[Id]] = {}
        for row in rows:
            found.setdefault(row.workspace, []).append(row.id)
        for workspace, ids in sorted(found.items()):
            await settle(tx, workspace, sorted(ids))
        number += len(rows)
    return number


async def _put_back(
    tx: AsyncConnection, rows: str, kept: Iterable[Scoped], asked: Mapping[str, Any]
) -> None:
    """Put those of the `rows` of a part that was taken off back that are of these identifiers."""
    whose = sorted(kept)
    if not whose:
        return
    theirs = (
        f"(workspace, identifier_id) IN (SELECT * FROM unnest({packed('workspaces', 'text')}, "
        f"{packed('ids', 'uuid')}))"
    )
    moved = text(
        f"WITH moved AS (DELETE {rows} AND {theirs} RETURNING *) "
        "INSERT INTO profile.timeline SELECT * FROM moved"
    )
    await tx.execute(moved, {**asked, **_columns(whose)})


async def settle(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> None:
    """Bring into the sums of identifiers what parts that were taken off still have of them.

    From then on their timelines and sums have each event once, until the transaction ends: they
    are locked, and no part is taken off.
    """
    await tx.execute(_STEADY)
    names = (await tx.execute(_STANDING)).scalars().all()
    if not names:
        return
    await _sums(tx, {(workspace, one) for one in ids})
    kept = await holding.held(tx, {(workspace, one) for one in ids})
    gone: dict[Scoped, list[Event]] = {}
    for name in names:
        await _put_back(tx, f"FROM profile.{name} WHERE {_BEHIND}", kept, {"name": name})
        taken = text(
            f"DELETE FROM profile.{name} WHERE workspace = :workspace "
            f"AND identifier_id = ANY(CAST(:ids AS uuid[])) AND {_BEHIND} RETURNING {_EVENT}"
        )
        asked = {"workspace": workspace, "ids": list(ids), "name": name}
        for key, events in _by_identifier(await tx.execute(taken, asked)).items():
            gone.setdefault(key, []).extend(events)
    await add(tx, gone)


async def clear(tx: AsyncConnection, workspace: str, ids: Sequence[Id]) -> int:
    """Remove settled events of identifiers from parts that were taken off; how many.

    They are in the sums, which go with the identifiers.
    """
    number = 0
    for name in (await tx.execute(_STANDING)).scalars().all():
        dropped = text(
            f"DELETE FROM profile.{name} WHERE workspace = :workspace "
            "AND identifier_id = ANY(CAST(:ids AS uuid[]))"
        )
        asked = {"workspace": workspace, "ids": list(ids)}
        number += (await tx.execute(dropped, asked)).rowcount
    return number


async def _sums(tx: AsyncConnection, keys: Iterable[Scoped]) -> dict[Scoped, Fold]:
    """The sums of identifiers that have some; the rows of all are locked."""
    rows = await tx.execute(_SUMS, _columns(sorted(keys)))
    return {(row.workspace, row.id): _fold.decode(row.fold) for row in rows if row.fold is not None}


def _columns(keys: Iterable[Scoped]) -> dict[str, str]:
    ordered = list(keys)
    return {
        "workspaces": pack(workspace for workspace, _id in ordered),
        "ids": pack(id_ for _workspace, id_ in ordered),
    }


def _by_identifier(rows: Iterable[Row[Any]]) -> dict[Scoped, list[Event]]:
    found: dict[Scoped, list[Event]] = {}
    for row in rows:
        found.setdefault((row.workspace, row.identifier_id), []).append(stored_event(row.event))
    return found
