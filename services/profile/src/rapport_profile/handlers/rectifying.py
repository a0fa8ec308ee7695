"""Operators put right what is known of a person, and take that back.

It is an event of each of the person's identifiers, as restraints are: so it goes where the person
goes, through merges, splits, rebuilds and erasure, and those who follow people are told.
"""

from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.events.envelope import Event, Identifier
from rapport_common.events.topics import EVENTS
from rapport_common.kafka.batch import Record
from rapport_profile.domain.correcting import MAX_HOLDING, Written, correction
from rapport_profile.domain.merge_rules import RuleBook
from rapport_profile.domain.naming import Id, Ids
from rapport_profile.domain.own_events import RectificationSaid, rectification_events
from rapport_profile.handlers.events import folded
from rapport_profile.handlers.restraining import MOST
from rapport_profile.store import reads
from rapport_profile.store import rectifications as store
from rapport_profile.store.restraints import strongest, those_left
from rapport_profile.store.rules import RuleShelf


@dataclass(frozen=True, slots=True)
class Correction:
    """What is right of whoever has an identifier; `evidence`: what shows it, None is nothing."""

    id: Id
    identifier: Identifier
    traits: Written
    reason: str
    evidence: str | None


class Rectifying:
    """Sets and lifts rectifications."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._shelf = RuleShelf()

    async def rectify(self, tx: AsyncConnection, caller: Operator, right: Correction) -> None:
        """Let values hold of a person, whatever sources say: before, and from now on.

        Where nobody is known by the identifier, they hold of whoever will be. RulesError where a
        value can't be; ConflictError where too much was put right already.
        """
        workspace = caller.workspace
        book = await self._shelf.book(tx, {workspace})
        said = correction(right.id, right.traits, book.of(workspace).judge.traits)
        found = await reads.by_identifier(tx, workspace, self._ids.of(workspace, right.identifier))
        names = [right.identifier]
        if found is not None:
            names = await strongest(tx, workspace, str(found), MOST)
            await _check_bound(tx, workspace, found)
        events = rectification_events(workspace, said, names, clock.now(), holds=True)
        await self._fold(tx, events, book)
        await store.add(
            tx,
            workspace,
            {
                "id": right.id,
                "traits": msgspec.json.encode(said.traits).decode(),
                "profile": None if found is None else str(found),
                "identifiers": [self._ids.of(workspace, one) for one in names],
                "actor": caller.subject,
                "reason": right.reason,
                "evidence": right.evidence,
            },
        )

    async def lift(self, tx: AsyncConnection, caller: Operator, id_: Id, reason: str) -> None:
        """Let what sources say count again, for all whom it was of, whoever they are today."""
        workspace = caller.workspace
        one = await store.find(tx, workspace, id_, lock=True)
        if one is None:
            message = f"There is no rectification {id_} in this workspace."
            raise NotFoundError(message, details={"id": id_})
        if one.lifted_at is not None:
            message = f"{one.lifted_by} has lifted this rectification already."
            raise ConflictError(message, details={"id": id_})
        left = await those_left(tx, workspace, one.identifiers)
        said = RectificationSaid(id_)
        events = rectification_events(workspace, said, left, clock.now(), holds=False)
        await self._fold(tx, events, await self._shelf.book(tx, {workspace}))
        await store.lift(tx, workspace, id_, by=caller.subject, reason=reason)

    async def _fold(self, tx: AsyncConnection, events: list[Event], book: RuleBook) -> None:
        batch = [Record(EVENTS.name, 0, at, b"", one) for at, one in enumerate(events)]
        await folded(self._ids, batch, tx, book=book)


async def _check_bound(tx: AsyncConnection, workspace: str, profile_id: UUID) -> None:
    found = await reads.alive(tx, workspace, profile_id)
    if found is None or found.summary is None:
        return
    holding = [id_ for id_, one in found.summary.fold.rectified.items() if one.holds]
    if len(holding) >= MAX_HOLDING:
        message = (
            f"{len(holding)} rectifications hold of this person, as many as there can be. "
            "Lift those that others have taken the place of."
        )
        raise ConflictError(message, details={"rectifications": sorted(holding)})
