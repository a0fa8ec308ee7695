"""Pairs that may be one person: what is proposed, and what operators have said of it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.db import pack, packed
from rapport_common.ids import uuid7_text
from rapport_profile.domain.duplicates.scoring import Likeness
from rapport_profile.domain.naming import Id

Pair = tuple[Id, Id]
"""Two profiles, the smaller id first."""
OPEN, MERGED, DISMISSED = "open", "merged", "dismissed"

_COLUMNS = (
    "CAST(d.id AS text) AS id, CAST(d.a AS text) AS a, CAST(d.b AS text) AS b, d.score, "
    "CAST(d.reasons AS text) AS reasons, d.state, d.found_at, d.decided_at, d.decided_by, "
    "d.decided_reason, d.decision_id"
)
_LIVES = "{0}.merged_into IS NULL AND ({0}.summary IS NULL OR {0}.members > 0)"
_BOTH_LIVE = (
    "(SELECT count(*) FROM profile.profile p WHERE p.workspace = d.workspace "
    f"AND p.id IN (d.a, d.b) AND {_LIVES.format('p')}) = 2"
)
_LIST = text(
    # Who has become somebody else since is no pair any more.
    f"SELECT {_COLUMNS} FROM profile.duplicate d WHERE d.workspace = :workspace "
    "AND d.state = :state AND d.score >= :least AND (CAST(:score AS double precision) IS NULL "
    "OR (d.score, d.id) < (CAST(:score AS double precision), CAST(:before AS uuid))) "
    f"AND (d.state <> 'open' OR {_BOTH_LIVE}) ORDER BY d.score DESC, d.id DESC LIMIT :limit"
)
_FIND = text(
    f"SELECT {_COLUMNS}, {_BOTH_LIVE} AS lives FROM profile.duplicate d "
    "WHERE d.workspace = :workspace AND d.id = CAST(:id AS uuid)"
)
_PROPOSE = text(
    "INSERT INTO profile.duplicate AS d (workspace, id, a, b, score, reasons, state, found_at) "
    "SELECT :workspace, v.id, v.a, v.b, v.score, CAST(v.reasons AS json), 'open', :at FROM unnest("
    f"{packed('ids', 'uuid')}, {packed('a', 'uuid')}, {packed('b', 'uuid')}, "
    f"{packed('scores', 'double precision')}, CAST(:reasons AS text[])) "
    "AS v(id, a, b, score, reasons) ON CONFLICT (workspace, a, b) DO UPDATE SET "
    "score = excluded.score, reasons = excluded.reasons WHERE d.state = 'open' RETURNING score"
)
_OF = text(
    "SELECT CAST(a AS text) AS a, CAST(b AS text) AS b FROM profile.duplicate "
    "WHERE workspace = :workspace AND state = 'open' AND a = ANY(CAST(:ids AS uuid[])) "
    "UNION SELECT CAST(a AS text), CAST(b AS text) FROM profile.duplicate "
    "WHERE workspace = :workspace AND state = 'open' AND b = ANY(CAST(:ids AS uuid[]))"
)
_WITHDRAW = text(
    "DELETE FROM profile.duplicate WHERE workspace = :workspace AND state = 'open' AND (a, b) IN "
    f"(SELECT * FROM unnest({packed('a', 'uuid')}, {packed('b', 'uuid')}))"
)
_WITHDRAW_OF = text(
    "DELETE FROM profile.duplicate d USING profile.identifier x, profile.identifier y "
    "WHERE x.workspace = :workspace AND x.id = CAST(:one AS uuid) "
    "AND y.workspace = :workspace AND y.id = CAST(:other AS uuid) "
    "AND d.workspace = :workspace AND d.state = 'open' "
    "AND d.a = least(x.profile_id, y.profile_id) AND d.b = greatest(x.profile_id, y.profile_id)"
)
_FORGET = text(
    "DELETE FROM profile.duplicate WHERE workspace = :workspace "
    f"AND (a = ANY({packed('ids', 'uuid')}) OR b = ANY({packed('ids', 'uuid')}))"
)
_DISMISSED = text(
    f"SELECT {_COLUMNS} FROM profile.duplicate d WHERE d.workspace = :workspace "
    "AND d.state = 'dismissed' AND (d.a = CAST(:one AS uuid) OR d.b = CAST(:one AS uuid))"
)
_INHERIT = text(
    "INSERT INTO profile.duplicate AS d (workspace, id, a, b, score, reasons, state, found_at, "
    "decided_at, decided_by, decided_reason, decision_id) VALUES (:workspace, CAST(:id AS uuid), "
    "CAST(:a AS uuid), CAST(:b AS uuid), :score, CAST(:reasons AS json), 'dismissed', :found_at, "
    ":decided_at, :decided_by, :decided_reason, CAST(:decision_id AS uuid)) "
    "ON CONFLICT (workspace, a, b) DO UPDATE SET state = 'dismissed', "
    "decided_at = excluded.decided_at, decided_by = excluded.decided_by, "
    "decided_reason = excluded.decided_reason, decision_id = excluded.decision_id "
    "WHERE d.state = 'open'"
)
_DECIDE = text(
    "UPDATE profile.duplicate SET state = :state, decided_at = :at, decided_by = :actor, "
    "decided_reason = :reason, decision_id = CAST(:decision AS uuid) "
    "WHERE workspace = :workspace AND id = CAST(:id AS uuid) AND state = 'open'"
)
_APART = text(
    "SELECT CAST(x.profile_id AS text) AS one, CAST(y.profile_id AS text) AS other "
    "FROM profile.decision d "
    "JOIN profile.identifier x ON x.workspace = d.workspace AND x.id = d.a "
    "JOIN profile.identifier y ON y.workspace = d.workspace AND y.id = d.b "
    "WHERE d.workspace = :workspace AND d.kind = 'apart' AND d.undone_at IS NULL "
    "AND x.profile_id = ANY(CAST(:ids AS uuid[])) AND y.profile_id = ANY(CAST(:ids AS uuid[]))"
)


class Verdict(NamedTuple):
    """What an operator says of a pair; `decision_id`: the merge or keep-apart made of it."""

    state: str
    actor: str
    reason: str
    at: datetime
    decision_id: Id | None


def pair(one: Id, other: Id) -> Pair:
    """Two profiles in their order."""
    return (one, other) if one < other else (other, one)


async def listed(
    tx: AsyncConnection,
    workspace: str,
    state: str,
    limit: int,
    after: tuple[float, Any] | None,
    *,
    least: float,
) -> list[Row[Any]]:
    """Pairs in a state with a score of at least `least`, the likeliest first."""
    score, before = after or (None, None)
    asked = {"workspace": workspace, "state": state, "least": least, "limit": limit}
    rows = await tx.execute(_LIST, {**asked, "score": score, "before": before})
    return list(rows.fetchall())


async def find(tx: AsyncConnection, workspace: str, duplicate: Id) -> Row[Any] | None:
    """One pair; `lives`: both are still somebody."""
    return (await tx.execute(_FIND, {"workspace": workspace, "id": duplicate})).first()


async def propose(
    tx: AsyncConnection, workspace: str, found: Iterable[tuple[Pair, Likeness]], at: datetime
) -> list[float]:
    """Propose pairs, or say anew what of them is alike; the scores of those that are open now.

    What was dismissed stays so.
    """
    ordered = sorted(found)
    if not ordered:
        return []
    asked = {
        "workspace": workspace,
        "at": at,
        "ids": pack(uuid7_text() for _ in ordered),
        "a": pack(one[0][0] for one in ordered),
        "b": pack(one[0][1] for one in ordered),
        "scores": pack(str(one[1].score) for one in ordered),
        "reasons": [msgspec.json.encode(one[1].reasons).decode() for one in ordered],
    }
    return list((await tx.execute(_PROPOSE, asked)).scalars())


async def open_pairs(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> set[Pair]:
    """The open pairs in which one of these is."""
    rows = await tx.execute(_OF, {"workspace": workspace, "ids": sorted(ids)})
    return {(row.a, row.b) for row in rows}


async def withdraw(tx: AsyncConnection, workspace: str, pairs: Collection[Pair]) -> None:
    """These are proposed no more."""
    if pairs:
        ordered = sorted(pairs)
        asked = {"a": pack(one[0] for one in ordered), "b": pack(one[1] for one in ordered)}
        await tx.execute(_WITHDRAW, {"workspace": workspace, **asked})


async def withdraw_of(tx: AsyncConnection, workspace: str, ends: tuple[Id, Id]) -> None:
    """The people whom two identifiers belong to are proposed no more."""
    await tx.execute(_WITHDRAW_OF, {"workspace": workspace, "one": ends[0], "other": ends[1]})


async def forget(tx: AsyncConnection, workspace: str, profiles: Sequence[Id]) -> None:
    """The pairs of these are gone, with what was said of them."""
    if profiles:
        await tx.execute(_FORGET, {"workspace": workspace, "ids": pack(profiles)})


async def dismissed(tx: AsyncConnection, workspace: str, profile_id: Id) -> list[Row[Any]]:
    """The dismissed pairs in which a profile is."""
    rows = await tx.execute(_DISMISSED, {"workspace": workspace, "one": profile_id})
    return list(rows.fetchall())


async def inherit(tx: AsyncConnection, workspace: str, row: Row[Any], heirs: Pair) -> None:
    """What was said of a pair is said of those whom they have become a part of."""
    said = {name: getattr(row, name) for name in _SAID}
    made = {"workspace": workspace, "id": uuid7_text(), "a": heirs[0], "b": heirs[1]}
    await tx.execute(_INHERIT, {**said, **made})


_SAID = (
    "score",
    "reasons",
    "found_at",
    "decided_at",
    "decided_by",
    "decided_reason",
    "decision_id",
)


async def decide(tx: AsyncConnection, workspace: str, duplicate: Id, verdict: Verdict) -> bool:
    """Say something of an open pair; False: it is not open (any more)."""
    asked = {
        "workspace": workspace,
        "id": duplicate,
        "state": verdict.state,
        "actor": verdict.actor,
        "reason": verdict.reason,
        "at": verdict.at,
        "decision": verdict.decision_id,
    }
    return (await tx.execute(_DECIDE, asked)).rowcount == 1


async def kept_apart(tx: AsyncConnection, workspace: str, ids: Collection[Id]) -> set[Pair]:
    """The pairs of these profiles of which an operator has said that they are never one person."""
    rows = await tx.execute(_APART, {"workspace": workspace, "ids": sorted(ids)})
    return {pair(row.one, row.other) for row in rows if row.one != row.other}
