"""Where a person stands towards a segment, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.errors import NotFoundError
from rapport_segment.domain import explaining, rules
from rapport_segment.domain.membership import Entry, Person
from rapport_segment.domain.outlook import View, next_change
from rapport_segment.domain.rulebook import Definition, Rulebook
from rapport_segment.domain.sections import exact
from rapport_segment.handlers.happenings import EventReading
from rapport_segment.handlers.list_use import named_lists
from rapport_segment.handlers.rolls import with_lists
from rapport_segment.handlers.segments import require
from rapport_segment.store import definitions, entries, people


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands towards a segment at an instant, by the version of then.

    `stay` is the one that goes on, else the newest that is over. `is_member`: by the stays; of an
    instant that is to come by what is known now. `fits` and `verdicts` are what is known now comes
    to, looked at from then; `changes_at` is when `fits` is another one next, by itself: None for
    not within the bounds of `next_change`.
    """

    person: Person
    at: datetime
    version: int
    stay: Entry | None
    is_member: bool
    fits: bool
    verdicts: Sequence[explaining.Verdict]
    reason: str
    changes_at: datetime | None


async def standing(
    tx: AsyncConnection,
    workspace: str,
    segment_id: UUID,
    profile_id: UUID,
    as_of: datetime | None = None,
) -> Standing:
    """Whether, since when and why a person is in a segment, or why not; as of now, or of then."""
    one = await require(tx, workspace, segment_id)
    now = clock.now()
    at = now if as_of is None else as_of
    person = await people.find(tx, workspace, profile_id)
    if person is None:
        raise NotFoundError(f"Nothing is known of a profile {profile_id}.")
    version = await definitions.in_force_at(tx, workspace, segment_id, at)
    if version is None:
        message = f"Segment {segment_id} was not there yet then: it was made at {one.created_at}."
        raise NotFoundError(message)
    rule = rules.parse(exact(version["rule"]))
    person = await with_lists(tx, person, (str(to) for _leaf, to in named_lists(rule)))
    definition = Definition.of(segment_id, version["version"], version["name"], rule)
    [person] = await EventReading({workspace: Rulebook([definition])}, at).attached(tx, [person])
    open_ones = await people.open_entries(tx, {(workspace, str(person.profile_id)): person})
    view = View(person.facts, at, [entry.segment_id for entry in open_ones])
    fits = definition.judge(view)[0] and version["active"]
    stay = await _stay(tx, person, segment_id, at)
    is_open = stay is not None and (stay.exited_at is None or stay.exited_at > at)
    is_member = fits if at > now else is_open
    return Standing(
        person,
        at,
        version["version"],
        stay,
        is_member,
        fits,
        explaining.explain(rule, view),
        _why(definition, view, version) if stay is None or not is_open or at > now else stay.reason,
        next_change(definition.judge, view) if version["active"] else None,
    )


async def _stay(
    tx: AsyncConnection, person: Person, segment_id: UUID, at: datetime
) -> Entry | None:
    """The one that goes on then, else the newest of those that were over then."""
    then = await entries.stay_as_of(tx, person.workspace, segment_id, person.profile_id, at)
    if then is not None:
        return then
    found = await entries.stays(tx, person.workspace, segment_id, person.profile_id)
    return next((one for one in found if one.exited_at and one.exited_at <= at), None)


def _why(definition: Definition, view: View, version: Mapping[str, Any]) -> str:
    if version["active"] or not view.facts.judged:
        return definition.why(view)
    return "the segment is not active"
