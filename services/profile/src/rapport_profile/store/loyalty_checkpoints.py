"""Checkpoints of members' accounts: the head, and those lots and subjects that are asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import packed
from rapport_profile.domain.loyalty.account import Lot, Rest
from rapport_profile.domain.loyalty.calendar import FAR
from rapport_profile.domain.loyalty.checkpoint import (
    Checkpoint,
    Head,
    KeptSubject,
    Parts,
    Wanted,
    ends_at,
    rest_of,
    subject_of,
)
from rapport_profile.domain.loyalty.facts import Fact
from rapport_profile.store.people import Scoped, scoped

FIRST = 100
"""Lots that are spent first: so many are loaded where points are spent."""

_head, _lot = msgspec.json.Decoder(Head), msgspec.json.Decoder(Lot)
_subject = msgspec.json.Decoder(KeptSubject)
_THESE = (
    f"unnest({packed('workspaces', 'text')}, {packed('ids', 'uuid')}) AS v(workspace, profile_id)"
)
_MEMBER = "workspace = :workspace AND profile_id = CAST(:id AS uuid)"
_HEADS = text(
    "SELECT workspace, CAST(profile_id AS text) AS id, CAST(head AS text) AS head "
    f"FROM profile.loyalty_checkpoint JOIN {_THESE} USING (workspace, profile_id)"
)
_AT = text(f"SELECT at FROM profile.loyalty_checkpoint WHERE {_MEMBER}")
_DROPS = [
    text(
        f"DELETE FROM profile.loyalty_{table} t USING {_THESE} "
        "WHERE t.workspace = v.workspace AND t.profile_id = v.profile_id"
    )
    for table in ("checkpoint", "lot", "subject")
]
_LOT = f"SELECT key, CAST(lot AS text) AS part FROM profile.loyalty_lot WHERE {_MEMBER}"
_ALL_LOTS = text(_LOT)
_BY = (
    # One after the other by its own index: the planner does not know how much one member may have.
    "SELECT l.key, CAST(l.lot AS text) AS part FROM unnest(CAST(:{0}s AS text[])) AS v(name) "
    "CROSS JOIN LATERAL (SELECT key, lot FROM profile.loyalty_lot "
    f"WHERE {_MEMBER} AND {{0}} = v.name OFFSET 0) AS l"
)
_LOTS = text(
    f"{_BY.format('key')} UNION {_BY.format('subject')} "
    f"UNION {_LOT} AND free > 0 AND cohort IS NULL AND ends_at <= :until "
    f"UNION {_LOT} AND free > 0 AND NOT is_open AND opens_at <= :now "
    f"UNION {_LOT} AND free > 0 AND cohort = ANY(CAST(:cohorts AS integer[]))"
)
_OF_COHORTS = (
    # The first of each, by its index.
    "FROM unnest(CAST(:cohorts AS integer[])) AS v(cohort) CROSS JOIN LATERAL (SELECT key, at, lot "
    f"FROM profile.loyalty_lot WHERE {_MEMBER} AND free > 0 AND cohort = v.cohort {{0}}"
    "ORDER BY at, key LIMIT CAST(:first AS bigint)) AS l"
)
_NEXT = text(
    f"({_LOT} AND free > 0 AND cohort IS NULL ORDER BY ends_at, at, key "
    f"LIMIT CAST(:first AS bigint)) UNION SELECT l.key, CAST(l.lot AS text) AS part "
    f"{_OF_COHORTS.format('')}"
)
_SUBJECT = f"SELECT key, CAST(subject AS text) AS part FROM profile.loyalty_subject WHERE {_MEMBER}"
_ALL_SUBJECTS = text(_SUBJECT)
_SUBJECTS = text(f"{_SUBJECT} AND key = ANY(CAST(:subjects AS text[]))")
_OTHERS = (
    f"FROM profile.loyalty_lot WHERE {_MEMBER} AND free > 0 "
    "AND NOT key = ANY(CAST(:here AS text[]))"
)
_REST = text(
    f"SELECT o.ends_at AS first_ends_at, o.at AS first_at, o.key AS first_key, p.opens_at, "
    f"e.ends_at, e.free FROM (SELECT 1) AS one "
    f"LEFT JOIN (SELECT ends_at, at, key {_OTHERS} AND is_open AND cohort IS NULL "
    "ORDER BY ends_at, at, key LIMIT 1) AS o ON true "
    f"LEFT JOIN (SELECT min(opens_at) AS opens_at {_OTHERS} AND NOT is_open) AS p "
    f"ON true LEFT JOIN (SELECT ends_at, CAST(sum(free) AS bigint) AS free {_OTHERS} "
    "AND cohort IS NULL AND ends_at < :far GROUP BY ends_at ORDER BY ends_at LIMIT 1) AS e ON true"
)
_FIRSTS = text(
    "SELECT v.cohort, l.at, l.key "
    + _OF_COHORTS.format("AND is_open AND NOT key = ANY(CAST(:here AS text[])) ")
)
_KEEP = text(
    "INSERT INTO profile.loyalty_checkpoint (workspace, profile_id, at, head) "
    "VALUES (:workspace, CAST(:id AS uuid), :at, CAST(:head AS json)) "
    "ON CONFLICT (workspace, profile_id) DO UPDATE SET at = excluded.at, head = excluded.head"
)
_KEEP_LOTS = text(
    "INSERT INTO profile.loyalty_lot "
    "(workspace, profile_id, key, subject, at, opens_at, ends_at, free, is_open, lot, cohort) "
    "SELECT :workspace, CAST(:id AS uuid), k, s, a, o, e, f, i, CAST(l AS json), c FROM unnest("
    "CAST(:keys AS text[]), CAST(:subjects AS text[]), CAST(:times AS timestamptz[]), "
    "CAST(:opens AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:free AS bigint[]), "
    "CAST(:open AS boolean[]), CAST(:parts AS text[]), CAST(:cohorts AS integer[])) "
    "AS v(k, s, a, o, e, f, i, l, c) "
    "ON CONFLICT (workspace, profile_id, key) DO UPDATE SET opens_at = excluded.opens_at, "
    "ends_at = excluded.ends_at, free = excluded.free, is_open = excluded.is_open, "
    "lot = excluded.lot, cohort = excluded.cohort"
)
_KEEP_SUBJECTS = text(
    "INSERT INTO profile.loyalty_subject (workspace, profile_id, key, subject) "
    "SELECT :workspace, CAST(:id AS uuid), k, CAST(s AS json) "
    "FROM unnest(CAST(:keys AS text[]), CAST(:parts AS text[])) AS v(k, s) "
    "ON CONFLICT (workspace, profile_id, key) DO UPDATE SET subject = excluded.subject"
)
_CLOSE = text(
    # Who takes one of them back at this moment is not waited for: the checkpoint stays where it is.
    "UPDATE profile.loyalty_fact SET closed_for = CAST(:id AS uuid) WHERE workspace = :workspace "
    "AND (source, message_id) IN (SELECT source, message_id FROM profile.loyalty_fact "
    "JOIN unnest(CAST(:sources AS text[]), CAST(:messages AS text[])) AS v(source, message_id) "
    "USING (source, message_id) WHERE workspace = :workspace FOR UPDATE SKIP LOCKED)"
)


class Loaded(NamedTuple):
    """A checkpoint, and its parts as they are stored: those that change are written again."""

    known: Checkpoint
    stored: Mapping[str, str]


class Encoded(NamedTuple):
    """What a checkpoint is stored as: parts by key, with what lots are found by."""

    head: Head
    lots: dict[str, tuple[str, Lot]]
    subjects: dict[str, str]


def encoded(found: Checkpoint, stored: Mapping[str, str]) -> Encoded:
    """The parts of a checkpoint that are other than those that are `stored`."""
    lots, subjects = {}, {}
    for key, lot in found.parts.lots.items():
        part = msgspec.json.encode(lot)
        if part.decode() != stored.get(f"lot {key}"):
            # As it is now: the account goes on.
            lots[key] = (part.decode(), replace(lot))
    for key, subject in found.parts.subjects.items():
        part_ = msgspec.json.encode(subject).decode()
        if part_ != stored.get(f"subject {key}"):
            subjects[key] = part_
    return Encoded(found.head, lots, subjects)


async def heads(tx: AsyncConnection, members: Sequence[Scoped]) -> dict[Scoped, Head]:
    """What is always read of checkpoints, of those who have one."""
    rows = await tx.execute(_HEADS, scoped(members))
    return {(row.workspace, row.id): _head.decode(row.head) for row in rows}


async def is_at(tx: AsyncConnection, member: Scoped, at: datetime) -> bool:
    """Whether the checkpoint is still that of this moment."""
    found = (await tx.execute(_AT, _of(member))).scalar()
    return bool(found == at)


async def load(
    tx: AsyncConnection,
    member: Scoped,
    head: Head,
    wanted: Wanted,
    *,
    spends: bool,
    whole: bool,
) -> Loaded:
    """A checkpoint with what is wanted of it, and what is spent first, if asked; or all of it."""
    asked = {
        "keys": sorted(wanted.lots),
        "subjects": sorted(wanted.subjects),
        "until": wanted.until,
        "now": wanted.now,
        "cohorts": sorted(wanted.cohorts),
    }
    some_lots, some_subjects = (_ALL_LOTS, _ALL_SUBJECTS) if whole else (_LOTS, _SUBJECTS)
    given = {**_of(member), **({} if whole else asked)}
    rows = {row.key: row.part for row in await tx.execute(some_lots, given)}
    if spends and not whole:
        first = {**_of(member), "first": FIRST, "cohorts": _with_points(head)}
        rows |= {row.key: row.part for row in await tx.execute(_NEXT, first)}
    lots = {key: _lot.decode(part) for key, part in rows.items()}
    stored = {f"lot {key}": part for key, part in rows.items()}
    subjects = {}
    if not whole:
        given = {**_of(member), "subjects": asked["subjects"]}
    for row in await tx.execute(some_subjects, given):
        subjects[row.key] = _subject.decode(row.part)
        stored[f"subject {row.key}"] = row.part
    rest = None if whole else rest_of(head, [*lots.values()], await _rest(tx, member, head, lots))
    return Loaded(Checkpoint(head, Parts(lots, subjects), rest), stored)


async def keep(tx: AsyncConnection, member: Scoped, found: Encoded, facts: Sequence[Fact]) -> bool:
    """Let an account go on from there; `facts` are those that it knows of since the one before.

    False, and nothing is changed: one of them is being taken back.
    """
    if not await _close(tx, member, facts):
        return False
    await set_head(tx, member, found.head)
    if found.lots:
        await tx.execute(_KEEP_LOTS, {**_of(member), **_columns(found.lots)})
    if found.subjects:
        given = {"keys": list(found.subjects), "parts": list(found.subjects.values())}
        await tx.execute(_KEEP_SUBJECTS, {**_of(member), **given})
    return True


async def set_head(tx: AsyncConnection, member: Scoped, head: Head) -> None:
    """Keep what is always read."""
    part = msgspec.json.encode(head).decode()
    await tx.execute(_KEEP, {**_of(member), "at": head.at, "head": part})


async def drop(tx: AsyncConnection, members: Collection[Scoped]) -> None:
    """These accounts are worked out from their beginning the next time."""
    if members:
        for one in _DROPS:
            await tx.execute(one, scoped(sorted(members)))


async def _rest(tx: AsyncConnection, member: Scoped, head: Head, here: Collection[str]) -> Rest:
    asked = {**_of(member), "here": list(here)}
    row = (await tx.execute(_REST, {**asked, "far": FAR})).one()
    first = None
    if row.first_key is not None:
        first = (row.first_ends_at, row.first_at, row.first_key)
    firsts = {}
    if cohorts := _with_points(head):
        found = await tx.execute(_FIRSTS, {**asked, "cohorts": cohorts, "first": 1})
        firsts = {each.cohort: (each.at, each.key) for each in found}
    return Rest(
        first=first,
        firsts=firsts,
        opens_at=row.opens_at,
        expires_at=row.ends_at,
        expiring=row.free or 0,
    )


def _with_points(head: Head) -> list[int]:
    """The places of cohorts in which there is something free."""
    return [place for place, one in enumerate(head.cohorts) if one.free]


async def _close(tx: AsyncConnection, member: Scoped, facts: Sequence[Fact]) -> bool:
    if not facts:
        return True
    given = {
        "sources": [one.content.stamp.source for one in facts],
        "messages": [one.content.stamp.message_id for one in facts],
    }
    closed = await tx.execute(_CLOSE, {**_of(member), **given})
    return closed.rowcount == len(facts)


def _of(member: Scoped) -> dict[str, Any]:
    return {"workspace": member[0], "id": member[1]}


def _columns(lots: Mapping[str, tuple[str, Lot]]) -> dict[str, list[Any]]:
    found = [lot for _part, lot in lots.values()]
    return {
        "keys": list(lots),
        "subjects": [subject_of(one) for one in found],
        "times": [one.at for one in found],
        "opens": [one.opens_at for one in found],
        "ends": [ends_at(one) for one in found],
        "free": [one.free for one in found],
        "open": [one.is_open for one in found],
        "parts": [part for part, _lot_ in lots.values()],
        "cohorts": [None if one.is_closed else one.cohort for one in found],
    }
