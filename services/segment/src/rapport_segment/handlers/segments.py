"""What operators do with segments: define, change, preview, ask why.

Changes of a definition wait for the batches in hand, and batches for them: both are short. Who is
to be in or out because of a change is a build's work, see `building.py`.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.db import sqlstate
from rapport_common.errors import ConflictError, NotFoundError, UnavailableError
from rapport_common.ids import uuid7
from rapport_segment import metrics
from rapport_segment.domain import explaining, rules
from rapport_segment.domain.membership import Entry, Person
from rapport_segment.domain.outlook import View
from rapport_segment.domain.rulebook import RESTRAINED
from rapport_segment.handlers.building import build
from rapport_segment.handlers.list_use import named_lists, require_lists
from rapport_segment.handlers.nesting import require_known, require_rests, require_unused
from rapport_segment.handlers.publish import tell
from rapport_segment.handlers.retelling import LOOK_AFTER, next_look
from rapport_segment.handlers.rolls import with_lists
from rapport_segment.handlers.rulebooks import rule_of
from rapport_segment.handlers.trait import require_sensible
from rapport_segment.store import definitions, people
from rapport_segment.store.definitions import Listed, Stored
from rapport_segment.store.due import DUE
from rapport_segment.store.jobs import BUILD, JOBS
from rapport_segment.store.matching import TooManyTextsError

PREVIEW_SECONDS = 5.0
QUERY_CANCELED = "57014"


class SlowPreviewError(UnavailableError):
    """A preview that would hold a connection for too long."""

    code = "preview_too_slow"

    def __init__(self) -> None:
        super().__init__(
            f"Counting took longer than {PREVIEW_SECONDS:g} s and was given up. Try a simpler rule,"
            " or create the segment: it is built beside other work."
        )


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a segment shall be called and whom it shall hold; `rule` is the JSON document.

    None leaves as it is what is there.
    """

    name: str | None = None
    rule: dict[str, Any] | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands towards a segment; `stay` is the newest entry, open or not."""

    person: Person
    stay: Entry | None
    verdicts: Sequence[explaining.Verdict]
    reason: str


async def create(tx: AsyncConnection, caller: Operator, name: str, rule: dict[str, Any]) -> Listed:
    """Define a segment, in force at once, and begin to build it."""
    workspace, now = caller.workspace, clock.now()
    await require_sensible(tx, workspace, rules.parse(rule))
    await definitions.seize(tx, workspace)
    await _require_free(tx, workspace, name, None)
    one = Stored(workspace, uuid.uuid4(), 1, name, _text(rule), True, now, now)
    await require_rests(tx, one)
    await require_lists(tx, workspace, rule_of(one))
    return await _put(tx, one, caller)


async def change(
    tx: AsyncConnection, caller: Operator, segment_id: UUID, amendment: Amendment
) -> Listed:
    """Make a new version, and build it if it makes a difference for anybody.

    Nothing happens when nothing differs, so that a repeated request is harmless.
    """
    wanted = None if amendment.rule is None else rules.parse(amendment.rule)
    if wanted is not None:
        await require_sensible(tx, caller.workspace, wanted)
    await definitions.seize(tx, caller.workspace)
    old = await _require_living(tx, caller.workspace, segment_id)
    new = replace(
        old,
        name=old.name if amendment.name is None else amendment.name,
        rule=old.rule if amendment.rule is None else _text(amendment.rule),
        active=old.active if amendment.active is None else amendment.active,
    )
    if wanted is not None:
        await require_rests(tx, new)
        await require_lists(tx, caller.workspace, wanted)
    is_same = new.active == old.active and wanted in {None, rule_of(old)}
    if is_same and new.name == old.name:
        return await require_listed(tx, caller.workspace, segment_id)
    if new.name != old.name:
        await _require_free(tx, caller.workspace, new.name, segment_id)
    return await _follow(tx, caller, old, new, build_anew=not is_same)


async def archive(tx: AsyncConnection, caller: Operator, segment_id: UUID) -> Listed:
    """Take a segment out of use: everybody leaves it, with records; its history is kept.

    Done again it changes nothing.
    """
    await definitions.seize(tx, caller.workspace)
    old = await require(tx, caller.workspace, segment_id)
    if old.archived_at is not None:
        return await require_listed(tx, caller.workspace, segment_id)
    await require_unused(tx, old)
    new = replace(old, active=False, archived_at=clock.now())
    return await _follow(tx, caller, old, new, build_anew=True)


async def rebuild(tx: AsyncConnection, caller: Operator, segment_id: UUID) -> Listed:
    """Hold everybody against the definition again, for example after a cancelled build."""
    await definitions.seize(tx, caller.workspace)
    one = await _require_living(tx, caller.workspace, segment_id)
    await begin_anew(tx, one)
    return await require_listed(tx, caller.workspace, segment_id)


async def begin_anew(tx: AsyncConnection, one: Stored) -> None:
    """Begin to hold everybody against a definition again; its workspace is seized."""
    job = await _start(tx, one)
    await definitions.set_job(tx, one.workspace, one.segment_id, job)


async def _follow(
    tx: AsyncConnection, caller: Operator, old: Stored, new: Stored, *, build_anew: bool
) -> Listed:
    new = replace(new, version=old.version + 1, updated_at=clock.now())
    if not build_anew and old.built_version == old.version:
        return await _write(tx, replace(new, built_version=new.version), caller)
    return await _put(tx, new, caller)


async def _put(tx: AsyncConnection, one: Stored, caller: Operator) -> Listed:
    job = await _start(tx, one)
    return await _write(tx, replace(one, built_version=0, job=job), caller)


async def _write(tx: AsyncConnection, one: Stored, caller: Operator) -> Listed:
    await definitions.write(tx, one, caller.subject)
    await tell(tx, [one])
    ahead = next_look(one.workspace, clock.now() + LOOK_AFTER)
    await DUE.schedule(tx, [ahead], keep=True)
    return await require_listed(tx, one.workspace, one.segment_id)


async def _start(tx: AsyncConnection, one: Stored) -> str:
    """Begin a build of `one`; the id of its job. One that goes on is overtaken."""
    former = None if one.job is None else await JOBS.find(tx, one.workspace, one.job)
    # A file that is put on a list is for others, too, and goes on.
    if former is not None and former.kind == BUILD:
        await JOBS.cancel(tx, one.workspace, former.id)
    job = str(uuid7())
    await JOBS.add(tx, one.workspace, build(job, one))
    return job


async def preview(tx: AsyncConnection, workspace: str, document: dict[str, Any]) -> tuple[int, int]:
    """(how many people an unsaved rule fits, of how many); SlowPreviewError after 5 s."""
    rule = rules.parse(document)
    await require_sensible(tx, workspace, rule)
    await require_known(tx, workspace, rule)
    await require_lists(tx, workspace, rule)
    with metrics.PREVIEW.time():
        try:
            return await definitions.preview(
                tx, workspace, rule, now=clock.now(), seconds=PREVIEW_SECONDS
            )
        except TooManyTextsError as error:
            raise SlowPreviewError from error
        except DBAPIError as error:
            if sqlstate(error) == QUERY_CANCELED:
                raise SlowPreviewError from error
            raise


async def standing(
    tx: AsyncConnection, workspace: str, segment_id: UUID, profile_id: UUID
) -> Standing:
    """Whether, since when and why a person is in a segment, or why not."""
    one = await require(tx, workspace, segment_id)
    person = await people.find(tx, workspace, profile_id)
    if person is None:
        raise NotFoundError(f"Nothing is known of a profile {profile_id}.")
    rule = rule_of(one)
    person = await with_lists(tx, person, (str(to) for _leaf, to in named_lists(rule)))
    found = await people.stays(tx, workspace, segment_id, person.profile_id)
    stay = found[0] if found else None
    open_ones = await people.open_entries(tx, {(workspace, str(person.profile_id)): person})
    view = View(person.facts, clock.now(), [entry.segment_id for entry in open_ones])
    verdicts = explaining.explain(rule, view)
    if stay is not None and stay.exited_at is None:
        why = stay.reason
    elif not person.facts.judged:
        why = RESTRAINED
    elif one.active:
        why = explaining.reason(rule, view)
    else:
        why = "the segment is not active"
    return Standing(person, stay, verdicts, why)


async def require(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Stored:
    """The definition, or NotFoundError."""
    one = await definitions.find(tx, workspace, segment_id)
    if one is None:
        raise _unknown(segment_id)
    return one


async def require_listed(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Listed:
    """The definition with its members and status, or NotFoundError."""
    one = await definitions.shown(tx, workspace, segment_id)
    if one is None:
        raise _unknown(segment_id)
    return one


async def _require_living(tx: AsyncConnection, workspace: str, segment_id: UUID) -> Stored:
    one = await require(tx, workspace, segment_id)
    if one.archived_at is not None:
        message = f"Segment {segment_id} is archived and can't be changed. Create another one."
        raise ConflictError(message, code="archived", details={"id": str(segment_id)})
    return one


def _unknown(segment_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no segment {segment_id}. GET /v1/segments lists them.")


async def _require_free(tx: AsyncConnection, workspace: str, name: str, own: UUID | None) -> None:
    other = await definitions.named(tx, workspace, name)
    if other not in {None, own}:
        message = f"There is a segment called {name!r} already. Choose another name, or change it."
        raise ConflictError(message, details={"id": str(other)})


def _text(rule: dict[str, Any]) -> str:
    return msgspec.json.encode(rule).decode()
