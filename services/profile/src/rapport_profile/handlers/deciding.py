"""Operators say that two identifiers are one person, or never are, or that an event names others
by mistake; and take it back.

It is a fact like a link, and an input of who is who: it holds whatever comes later, also through a
rebuild. What changes is told with the same transaction.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Identifier
from rapport_common.ids import uuid7_text
from rapport_profile.domain.merge_rules import Rules
from rapport_profile.domain.naming import MERGE, Id, Ids, Names
from rapport_profile.domain.plain import plain
from rapport_profile.domain.revising import Revising
from rapport_profile.handlers import cutting
from rapport_profile.handlers.computing import with_values
from rapport_profile.handlers.loading import done_with
from rapport_profile.handlers.publish import publish
from rapport_profile.handlers.refusing import require_whole
from rapport_profile.store import changes, decisions, duplicates, lookups, people
from rapport_profile.store.decisions import APART, CUT, OPERATOR, Decision
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
        names = await self._names(tx, caller.workspace)
        rules = names.book.of(caller.workspace)
        by_id = {self._ids.of(caller.workspace, end): end for end in pair}
        await require_whole(tx, {(caller.workspace, one) for one in by_id})
        await _hold(tx, names, caller.workspace, by_id)
        await _require_two_known(tx, caller.workspace, by_id)
        # In the order of their ids, whatever the rules of the day say of their kinds.
        one, other = sorted(by_id)
        ends = (one, other)
        decision = Decision(told[0], kind, *ends, caller.subject, told[1], clock.now())
        if kind == MERGE:
            _require_joining(rules, pair)
            await _require_allowed(tx, caller.workspace, ends)
            evidence = (decision.at, decision.id, OPERATOR)
            steps = await _changed(tx, names, caller.workspace, ends, _joined(ends, evidence))
        else:
            steps = await _changed(
                tx, names, caller.workspace, ends, lambda who: who.keep_apart(*ends, decision.at)
            )
            await duplicates.withdraw_of(tx, caller.workspace, ends)
        await decisions.add(tx, caller.workspace, decision)
        return steps

    async def cut(
        self, tx: AsyncConnection, caller: Operator, event: tuple[str, str], told: tuple[Id, str]
    ) -> Steps:
        """Let an event (source, message id) say nothing of who is who; what has changed."""
        workspace, key = caller.workspace, (caller.workspace, *event)
        hub = await cutting.held(tx, key)
        names = await self._names(tx, workspace)
        await cutting.require_naming_others(tx, names, key, hub)
        by, why = caller.subject, told[1]
        decision = Decision(told[0], CUT, hub, hub, by, why, clock.now(), event)
        await decisions.add(tx, workspace, decision)
        return await cutting.recounted(tx, names, workspace, hub)

    async def undo(self, tx: AsyncConnection, caller: Operator, decision: Id, reason: str) -> Steps:
        """Let a decision hold no more; what has changed."""
        found = await decisions.find(tx, caller.workspace, decision)
        if found is None:
            message = f"There is no decision {decision} in this workspace."
            raise NotFoundError(message, details={"id": decision})
        if found.undone_at is not None:
            message = f"{found.undone_by} has undone this decision already."
            raise ConflictError(message, details={"id": decision})
        if found.kind == CUT:
            return await self._uncut(tx, caller, found, reason)
        names = await self._names(tx, caller.workspace)
        ends, now = (found.a, found.b), clock.now()
        # Who undoes the same, said twice, at the same time: one of them is the second.
        await _hold(tx, names, caller.workspace, ends)
        await decisions.undo(tx, caller.workspace, decision, by=(caller.subject, reason), at=now)
        left = await decisions.holding(tx, caller.workspace, found.kind, ends)
        return await _changed(
            tx, names, caller.workspace, ends, _undone(found.kind, ends, now, left)
        )

    async def _uncut(
        self, tx: AsyncConnection, caller: Operator, found: Row[Any], reason: str
    ) -> Steps:
        workspace, by = caller.workspace, (caller.subject, reason)
        hub = await cutting.held(tx, (workspace, found.source, found.message_id))
        await decisions.undo(tx, workspace, found.id, by=by, at=clock.now())
        return await cutting.recounted(tx, await self._names(tx, workspace), workspace, hub)

    async def _names(self, tx: AsyncConnection, workspace: str) -> Names:
        book = await self._shelf.book(tx, {workspace})
        return Names(self._ids, book, await decisions.cuts(tx, workspace))


def _joined(ends: tuple[Id, Id], evidence: tuple[datetime, str, str]) -> Change:
    def change(who: Revising) -> Steps:
        # Of a person with several user ids one stands for all.
        users = {who.profile_of(who.nodes[one]).user for one in ends} - {None}
        if len(users) > 1 and not all(who.nodes[one].is_user for one in ends):
            message = (
                "They have different user ids. If these are one person, merge the two user ids; if "
                "one of them is an account that is given up, merge its other identifiers."
            )
            raise ConflictError(message)
        steps = who.join(*ends, evidence)
        if who.nodes[ends[0]].profile_id != who.nodes[ends[1]].profile_id:
            message = (
                "The merge rules, or another decision, keep these two apart: a person may have so "
                "many of a kind only, or one of them is seen with too many people."
            )
            raise ConflictError(message)
        return steps

    return change


def _undone(kind: str, ends: tuple[Id, Id], at: datetime, left: Row[Any] | None) -> Change:
    """What it changes that a decision holds no more; `left`: another one that says the same."""
    if kind == MERGE and left is not None:
        return lambda who: who.join_by(*ends, (left.created_at, left.id, OPERATOR))
    if kind == MERGE:
        return lambda who: who.let_go(*ends, at)
    if left is not None:
        return lambda _who: []
    return lambda who: who.let_together(*ends, at)


async def _hold(tx: AsyncConnection, names: Names, workspace: str, ends: Iterable[Id]) -> None:
    """Lock the people two identifiers belong to: what is read from now on stays so."""
    working = Revising(names.ids, uuid7_text, names.book)
    await people.load_users(tx, working, {(workspace, one) for one in ends}, set())


async def _changed(
    tx: AsyncConnection, names: Names, workspace: str, ends: Sequence[Id], change: Change
) -> Steps:
    """Load all that is known of the people two identifiers belong to, change it, and tell it."""
    seeds = {(workspace, one) for one in ends}
    seeds |= await lookups.anonymous_twins(tx, names.ids, seeds)
    held: set[people.Scoped] = set()

    async def load(whole: Collection[people.Scoped]) -> Revising:
        working = Revising(names.ids, uuid7_text, names.book)
        await people.load_users(tx, working, seeds, held)
        await people.load_members(tx, working, whole)
        return working

    async def carry_out(working: Revising) -> Steps:
        return working.finish(change(working))

    working, steps = await done_with(load, carry_out)
    told = await with_values(tx, working, steps)
    await changes.save(tx, working)
    await publish(tx, [(step, None) for step in told])
    return told


async def _require_two_known(
    tx: AsyncConnection, workspace: str, by_id: Mapping[Id, Identifier]
) -> None:
    if len(by_id) < 2:  # noqa: PLR2004 - a pair
        raise InvalidRequestError("These are the same identifier: give two.")
    known = await lookups.known(tx, [(workspace, one) for one in by_id], of_somebody=True)
    for end, (kind, value) in by_id.items():
        if (workspace, end) not in known:
            message = f"Nobody is known by {kind} '{value}' in this workspace."
            raise NotFoundError(message, details={"kind": kind, "value": value})


def _require_joining(rules: Rules, pair: Iterable[Identifier]) -> None:
    for identifier in pair:
        if not rules.joins(identifier):
            kind, value = identifier
            message = f"The merge rules say that {kind} '{value}' joins nobody: change them first."
            raise ConflictError(message, details={"kind": kind, "value": value})


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
    return cast("list[dict[str, Any]]", plain(msgspec.json.encode(changes)))
