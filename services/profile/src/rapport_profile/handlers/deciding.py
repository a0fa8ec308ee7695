"""Operators say that two identifiers are one person, or never are; and take it back.

It is a fact like a link, and an input of who is who: it holds whatever comes later, also through a
rebuild. What changes is told with the same transaction.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Identifier
from rapport_common.ids import uuid7_text
from rapport_profile.domain.naming import Id, Ids, Names
from rapport_profile.domain.revising import Revising
from rapport_profile.domain.steps import IncompleteError
from rapport_profile.handlers.publish import publish
from rapport_profile.store import changes, decisions, people
from rapport_profile.store.decisions import APART, MERGE, Decision
from rapport_profile.store.rules import RuleShelf

Steps = list[ProfileActivity]
Change = Callable[[Revising], Steps]


class Deciding:
    """Carries decisions out."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._shelf = RuleShelf()

    async def decide(
        self,
        tx: AsyncConnection,
        caller: Operator,
        kind: str,
        pair: tuple[Identifier, Identifier],
        told: tuple[Id, str],
    ) -> Steps:
        """Let a decision of a kind hold (`told`: its id, and why); what has changed."""
        names = Names(self._ids, await self._shelf.book(tx, {caller.workspace}))
        rules = names.book.of(caller.workspace)
        one, other = sorted(pair, key=lambda end: (rules.rank(end[0]), end[1]))
        ends = (self._ids.of(caller.workspace, one), self._ids.of(caller.workspace, other))
        await _require_two_known(tx, caller.workspace, ends, (one, other))
        decision = Decision(told[0], kind, *ends, caller.subject, told[1], clock.now())
        if kind == MERGE:
            await _require_allowed(tx, caller.workspace, ends)
            evidence = (decision.at, decision.id, "operator")
            steps = await _changed(tx, names, caller.workspace, ends, _joined(ends, evidence))
        else:
            steps = await _changed(
                tx, names, caller.workspace, ends, lambda who: who.keep_apart(*ends, decision.at)
            )
        await decisions.add(tx, caller.workspace, decision)
        return steps

    async def undo(self, tx: AsyncConnection, caller: Operator, decision: Id, reason: str) -> Steps:
        """Let a decision hold no more; what has changed."""
        found = await decisions.find(tx, caller.workspace, decision)
        if found is None:
            message = f"There is no decision {decision} in this workspace."
            raise NotFoundError(message, details={"id": decision})
        if found.undone_at is not None:
            message = f"{found.undone_by} has undone this decision already."
            raise ConflictError(message, details={"id": decision})
        names = Names(self._ids, await self._shelf.book(tx, {caller.workspace}))
        ends, now = (found.a, found.b), clock.now()
        await decisions.undo(tx, caller.workspace, decision, by=(caller.subject, reason), at=now)
        if await decisions.holding(tx, caller.workspace, found.kind, ends) is not None:
            return []  # somebody else has said the same
        return await _changed(tx, names, caller.workspace, ends, _undone(found.kind, ends, now))


def _joined(ends: tuple[Id, Id], evidence: tuple[datetime, str, str]) -> Change:
    def change(who: Revising) -> Steps:
        users = {who.profile_of(who.nodes[one]).user for one in ends} - {None}
        users |= {one for one in ends if who.nodes[one].is_user}
        if len(users) > 1:
            message = (
                "Both have a user id, and two user ids are never one person. If one of them is an "
                "account that is given up, merge its other identifiers one by one."
            )
            raise ConflictError(message)
        return who.join(*ends, evidence)

    return change


def _undone(kind: str, ends: tuple[Id, Id], at: datetime) -> Change:
    if kind == APART:
        return lambda who: who.let_together(*ends, at)
    return lambda who: who.let_go(*ends, at)


async def _changed(
    tx: AsyncConnection, names: Names, workspace: str, ends: Sequence[Id], change: Change
) -> Steps:
    """Load all that is known of the people two identifiers belong to, change it, and tell it."""
    seeds = {(workspace, one) for one in ends}
    held: set[people.Scoped] = set()
    whole: set[people.Scoped] = set()
    while True:
        working = Revising(names.ids, uuid7_text, names.book)
        await people.load_around(tx, working, seeds, held, beyond=seeds, wide=True)
        await people.load_members(tx, working, whole)
        try:
            steps = working.finish(change(working))
        except IncompleteError as error:
            if error.wanted <= whole:
                raise
            whole |= error.wanted
        else:
            break
    await changes.save(tx, working)
    await publish(tx, [(step, None) for step in steps])
    return steps


async def _require_two_known(
    tx: AsyncConnection,
    workspace: str,
    ends: tuple[Id, Id],
    pair: tuple[Identifier, Identifier],
) -> None:
    if ends[0] == ends[1]:
        raise InvalidRequestError("These are the same identifier: give two.")
    known = await people.known(tx, [(workspace, one) for one in ends], of_somebody=True)
    for end, (kind, value) in zip(ends, pair, strict=True):
        if (workspace, end) not in known:
            message = f"Nobody is known by {kind} '{value}' in this workspace."
            raise NotFoundError(message, details={"kind": kind, "value": value})


async def _require_allowed(tx: AsyncConnection, workspace: str, ends: tuple[Id, Id]) -> None:
    holding = await decisions.holding(tx, workspace, APART, ends)
    if holding is not None:
        message = (
            f"{holding.actor} has said that these are never one person: '{holding.reason}'. Undo "
            "that decision first."
        )
        raise ConflictError(message, details={"decision_id": holding.id})


def told(steps: Sequence[ProfileActivity]) -> list[dict[str, Any]]:
    """What becomes of each profile, as it is shown."""
    changes = [
        {
            "profile_id": one.profile_id,
            "version": one.version,
            "becomes_id": one.merged_into,
            "ends": one.gone,
            "identifiers": one.identifiers or [],
            "traits": one.traits,
            "computed": one.computed,
            "consent": one.consent or [],
        }
        for one in steps
    ]
    return cast("list[dict[str, Any]]", msgspec.json.decode(msgspec.json.encode(changes)))
