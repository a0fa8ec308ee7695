"""What operators say of two who may be one person: that they are, or are not."""

from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.envelope import Identifier
from rapport_common.ids import uuid7_text
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import MERGE, Id, Ids
from rapport_profile.handlers.deciding import Deciding, Steps
from rapport_profile.store import duplicates, likenesses
from rapport_profile.store.decisions import APART
from rapport_profile.store.duplicates import DISMISSED, MERGED, OPEN, Verdict
from rapport_profile.store.rules import RuleShelf


class Judged(NamedTuple):
    """The decision that was made, if any, and what has changed by it."""

    decision_id: Id | None
    steps: Steps


class Judging:
    """Carries out what is said of pairs."""

    def __init__(self, ids: Ids) -> None:
        self._deciding = Deciding(ids)
        self._shelf = RuleShelf()

    async def merge(
        self, tx: AsyncConnection, caller: Operator, duplicate: Id, reason: str
    ) -> Judged:
        """Make one person of two, by their strongest identifiers."""
        row = await _require_open(tx, caller.workspace, duplicate)
        verdict = _verdict(caller, MERGED, reason, uuid7_text())
        return await self._carried_out(tx, caller, row, MERGE, verdict)

    async def dismiss(
        self,
        tx: AsyncConnection,
        caller: Operator,
        duplicate: Id,
        reason: str,
        *,
        keep_apart: bool,
    ) -> Judged:
        """Propose two no more; `keep_apart`: whatever events say they are never one person."""
        row = await _require_open(tx, caller.workspace, duplicate)
        if keep_apart:
            verdict = _verdict(caller, DISMISSED, reason, uuid7_text())
            return await self._carried_out(tx, caller, row, APART, verdict)
        await _note(tx, caller, row, _verdict(caller, DISMISSED, reason, None))
        return Judged(None, [])

    async def _carried_out(
        self, tx: AsyncConnection, caller: Operator, row: Row[Any], kind: str, verdict: Verdict
    ) -> Judged:
        # Before the decision, which withdraws pairs that are still open.
        await _note(tx, caller, row, verdict)
        new = str(verdict.decision_id)
        rules = (await self._shelf.book(tx, {caller.workspace})).of(caller.workspace)
        ends = (row.a, row.b)
        facts = {one: known async for one, known in likenesses.these(tx, caller.workspace, ends)}
        one, other = (_strongest(rules, facts[end].named) for end in ends)
        told = (new, verdict.reason)
        return Judged(new, await self._deciding.decide(tx, caller, kind, (one, other), told))


def _verdict(caller: Operator, state: str, reason: str, decision: Id | None) -> Verdict:
    return Verdict(state, caller.subject, reason, clock.now(), decision)


async def _note(tx: AsyncConnection, caller: Operator, row: Row[Any], verdict: Verdict) -> None:
    if not await duplicates.decide(tx, caller.workspace, row.id, verdict):
        message = "Somebody else has just decided this one: look at it again."
        raise ConflictError(message, details={"id": row.id})


async def require(tx: AsyncConnection, workspace: str, duplicate: Id) -> Row[Any]:
    """A pair; NotFoundError: there is none of this id."""
    row = await duplicates.find(tx, workspace, duplicate)
    if row is None:
        message = f"There is no pair {duplicate} in this workspace (any more)."
        raise NotFoundError(message, details={"id": duplicate})
    return row


async def _require_open(tx: AsyncConnection, workspace: str, duplicate: Id) -> Row[Any]:
    """A pair of which nothing has been said yet, of two who are still two people."""
    row = await require(tx, workspace, duplicate)
    if row.state != OPEN:
        message = f"This pair is {row.state} already, by {row.decided_by}: '{row.decided_reason}'."
        raise ConflictError(message, details={"id": duplicate, "state": row.state})
    if not row.lives:
        message = "One of the two has become a part of somebody else since: look for pairs anew."
        raise ConflictError(message, details={"id": duplicate})
    return row


def _strongest(rules: Rules, named: list[Identifier]) -> Identifier:
    """The identifier by which somebody is merged: one that joins, the strongest of these."""
    return min(named, key=lambda one: (not rules.joins(one), rules.rank(one[0]), one))
