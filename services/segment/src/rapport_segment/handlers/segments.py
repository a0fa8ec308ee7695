"""What operators do with segments: define, change, preview, ask why."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock, outbox, tracing
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_segment import metrics
from rapport_segment.domain import evaluate, membership, rules
from rapport_segment.domain.membership import Change, Entry, Moment, Person
from rapport_segment.handlers.activity import compiled, rule_of
from rapport_segment.handlers.publish import outgoing, tally
from rapport_segment.store import definitions, people
from rapport_segment.store.definitions import Stored

PAGE = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a segment shall be called and whom it shall hold; `rule` is the JSON document."""

    name: str
    rule: dict[str, Any]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands towards a segment; `stay` is the newest entry, open or not."""

    person: Person
    stay: Entry | None
    verdicts: Sequence[evaluate.Verdict]
    reason: str


class SegmentHandler:
    """Changes of a definition wait for the batches in hand, and batches for them."""

    def __init__(self, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now

    async def create(self, tx: AsyncConnection, caller: Operator, wish: Wish) -> tuple[Stored, int]:
        """Define a segment and let everybody in whom it fits: (definition, members)."""
        rules.parse(wish.rule)
        workspace, now = caller.workspace, self._now()
        await definitions.seize(tx, workspace)
        await _require_free(tx, workspace, wish.name, None)
        document = msgspec.json.encode(wish.rule).decode()
        one = Stored(workspace, uuid.uuid4(), 1, wish.name, document, wish.active, now, now)
        return await self._put(tx, one, caller)

    async def replace(
        self, tx: AsyncConnection, caller: Operator, segment_id: UUID, wish: Wish
    ) -> tuple[Stored, int]:
        """Make a new version, and let in and out whom it makes a difference for.

        Nothing happens when nothing differs, so that a repeated request is harmless.
        """
        wanted = rules.parse(wish.rule)
        workspace = caller.workspace
        await definitions.seize(tx, workspace)
        old = await require(tx, workspace, segment_id)
        if (old.name, old.active) == (wish.name, wish.active) and rule_of(old) == wanted:
            return old, await definitions.count_members(tx, workspace, segment_id)
        await _require_free(tx, workspace, wish.name, segment_id)
        document = msgspec.json.encode(wish.rule).decode()
        new = replace(
            old,
            version=old.version + 1,
            name=wish.name,
            rule=document,
            active=wish.active,
            updated_at=self._now(),
        )
        return await self._put(tx, new, caller)

    async def _put(self, tx: AsyncConnection, one: Stored, caller: Operator) -> tuple[Stored, int]:
        await definitions.write(tx, one, caller.subject)
        with metrics.BACKFILL.time():
            await self._backfill(tx, one)
        return one, await definitions.count_members(tx, one.workspace, one.segment_id)

    async def _backfill(self, tx: AsyncConnection, one: Stored) -> None:
        """A page at a time: the people, not their number, decide how much memory it takes."""
        definition = compiled(one)
        moment = Moment(one.updated_at, "definition")
        rule = definition.rule if one.active else None
        after: UUID | None = None
        while True:
            found = await definitions.misplaced(
                tx, one.workspace, one.segment_id, rule, after=after, limit=PAGE
            )
            changes = [_corrected(person, entry, definition, moment) for person, entry in found]
            await _write(tx, changes)
            if len(found) < PAGE:
                return
            after = found[-1][0].profile_id

    async def preview(
        self, tx: AsyncConnection, workspace: str, document: dict[str, Any]
    ) -> tuple[int, int]:
        """(how many people an unsaved rule fits, of how many)."""
        rule = rules.parse(document)
        started = time.perf_counter()
        counted = await definitions.preview(tx, workspace, rule)
        metrics.PREVIEW.observe(time.perf_counter() - started)
        return counted

    async def standing(
        self, tx: AsyncConnection, workspace: str, segment_id: UUID, profile_id: UUID
    ) -> Standing:
        """Whether, since when and why a person is in a segment, or why not."""
        one = await require(tx, workspace, segment_id)
        person = await people.find(tx, workspace, profile_id)
        if person is None or person.facts is None:
            raise NotFoundError(f"Nothing is known of a profile {profile_id}.")
        rule = rule_of(one)
        found = await people.stays(tx, workspace, segment_id, person.profile_id)
        stay = found[0] if found else None
        verdicts = evaluate.explain(rule, person.facts)
        if stay is not None and stay.exited_at is None:
            why = stay.reason
        elif one.active:
            why = evaluate.reason(rule, person.facts)
        else:
            why = "the segment is not active"
        return Standing(person, stay, verdicts, why)


async def require(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Stored:
    """The definition, or NotFoundError."""
    one = await definitions.find(tx, workspace, segment_id)
    if one is None:
        raise NotFoundError(f"There is no segment {segment_id}. GET /v1/segments lists them.")
    return one


async def _require_free(tx: AsyncConnection, workspace: str, name: str, own: UUID | None) -> None:
    other = await definitions.named(tx, workspace, name)
    if other not in {None, own}:
        message = f"There is a segment called {name!r} already. Choose another name, or change it."
        raise ConflictError(message, details={"id": str(other)})


def _corrected(
    person: Person, entry: Entry | None, definition: membership.Definition, moment: Moment
) -> Change:
    """The change that puts right where a person is, with the reason in words."""
    why = "the segment is not active any more"
    if person.facts is not None and (entry is None or not definition.matches(person.facts)):
        why = evaluate.reason(definition.rule, person.facts)
    if entry is None:
        return membership.enter(person, definition, why, moment)
    return membership.leave(person, entry, definition.version, why, moment)


async def _write(tx: AsyncConnection, changes: Sequence[Change]) -> None:
    entries = [one.entry for one in changes]
    await people.insert_entries(tx, [one for one in entries if one.exited_at is None])
    await people.update_entries(tx, [one for one in entries if one.exited_at is not None])
    await tally(tx, changes)
    await outbox.append(tx, "segment", [outgoing(one, tracing.current()) for one in changes])
