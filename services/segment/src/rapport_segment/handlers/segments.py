"""What operators do with segments: define, change, archive, build again.

Changes of a definition wait for the batches in hand, and batches for them: both are short. Who is
to be in or out because of a change is a build's work, see `building.py`.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, NotFoundError
from rapport_common.ids import uuid7
from rapport_common.jobs.store import NewJob
from rapport_segment.domain import rules
from rapport_segment.domain.tree import Rule, is_same
from rapport_segment.handlers.building import build, build_beside
from rapport_segment.handlers.list_use import require_lists
from rapport_segment.handlers.nesting import require_rests, require_unused
from rapport_segment.handlers.publish import tell
from rapport_segment.handlers.retelling import LOOK_AFTER, next_look
from rapport_segment.handlers.rulebooks import rule_of, understood
from rapport_segment.handlers.trait import require_sensible
from rapport_segment.store import candidates, definitions
from rapport_segment.store.candidates import Candidate
from rapport_segment.store.definitions import Listed, Stored
from rapport_segment.store.due import DUE
from rapport_segment.store.jobs import BUILD, JOBS


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a segment shall be called and whom it shall hold; `rule` is the JSON document.

    None leaves as it is what is there.
    """

    name: str | None = None
    rule: dict[str, Any] | None = None
    active: bool | None = None


async def create(
    tx: AsyncConnection,
    caller: Operator,
    name: str,
    rule: dict[str, Any],
    *,
    active: bool = True,
) -> Listed:
    """Define a segment, in force at once, and begin to build it; or only a draft, which has nobody
    in it.
    """
    workspace, now = caller.workspace, clock.now()
    await require_sensible(tx, workspace, rules.parse(rule))
    await definitions.seize(tx, workspace)
    await _require_free(tx, workspace, name, None)
    one = Stored(workspace, uuid.uuid4(), 1, name, _text(rule), active, now, now)
    await require_rests(tx, one)
    await require_lists(tx, workspace, rule_of(one))
    if not active:
        return await _write(tx, replace(one, built_version=1), caller)
    return await _put(tx, one, caller)


async def change(
    tx: AsyncConnection, caller: Operator, segment_id: UUID, amendment: Amendment
) -> Listed:
    """Make a new version, and build it if it makes a difference for anybody.

    Another rule is built beside the one in force, if that is complete, and is a version when it
    takes its place. Nothing happens when nothing differs, so that a repeated request is harmless.
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
    if new.name != old.name:
        await _require_free(tx, caller.workspace, new.name, segment_id)
    is_same_rule = wanted is None or _is_that_of(old, wanted)
    is_complete = old.built_version == old.version
    if old.active and new.active and is_complete:
        if new.name != old.name:
            old = await _next(tx, caller, replace(new, rule=old.rule), build_anew=False)
        if wanted is not None:
            await _build_beside(tx, caller, old, None if is_same_rule else new.rule)
        return await require_listed(tx, caller.workspace, segment_id)
    if is_same_rule and (new.active, new.name) == (old.active, old.name):
        return await require_listed(tx, caller.workspace, segment_id)
    if not (is_same_rule and new.active == old.active):
        await _drop_candidate(tx, old)
    is_idle = is_complete and not new.active and not old.active
    await _next(tx, caller, new, build_anew=not is_idle)
    return await require_listed(tx, caller.workspace, segment_id)


def _is_that_of(one: Stored, rule: Rule) -> bool:
    former = understood(one)
    return former is not None and is_same(rule, former)


async def archive(tx: AsyncConnection, caller: Operator, segment_id: UUID) -> Listed:
    """Take a segment out of use: everybody leaves it, with records; its history is kept.

    Done again it changes nothing.
    """
    await definitions.seize(tx, caller.workspace)
    old = await require(tx, caller.workspace, segment_id)
    if old.archived_at is not None:
        return await require_listed(tx, caller.workspace, segment_id)
    await require_unused(tx, old)
    await _drop_candidate(tx, old)
    new = replace(old, active=False, archived_at=clock.now())
    await _next(tx, caller, new, build_anew=True)
    return await require_listed(tx, caller.workspace, segment_id)


async def rebuild(tx: AsyncConnection, caller: Operator, segment_id: UUID) -> Listed:
    """Hold everybody against the definition again, for example after a cancelled build; if a rule
    is being built beside it, against that.
    """
    await definitions.seize(tx, caller.workspace)
    one = await _require_living(tx, caller.workspace, segment_id)
    if not await _begin_beside_anew(tx, one):
        await definitions.set_job(tx, one.workspace, segment_id, await _start(tx, one))
    return await require_listed(tx, caller.workspace, segment_id)


async def begin_anew(tx: AsyncConnection, one: Stored) -> None:
    """Begin to hold everybody against a definition again, and against the rule that is being built
    beside it; its workspace is seized.
    """
    await _begin_beside_anew(tx, one)
    await definitions.set_job(tx, one.workspace, one.segment_id, await _start(tx, one))


async def _begin_beside_anew(tx: AsyncConnection, one: Stored) -> bool:
    """Begin to build the rule beside again; whether there is one."""
    candidate = await candidates.find(tx, one.workspace, one.segment_id)
    if candidate is None or candidate.swapped_at is not None:
        return False
    await JOBS.cancel(tx, one.workspace, candidate.job)
    job = await _add(tx, one.workspace, partial(build_beside, segment_id=one.segment_id))
    await candidates.write(tx, replace(candidate, job=job))
    return True


async def rollback(tx: AsyncConnection, caller: Operator, segment_id: UUID, version: int) -> Listed:
    """Give a segment the rule again that it had as `version`; NotFoundError if there is none."""
    await require(tx, caller.workspace, segment_id)
    former = await require_version(tx, caller.workspace, segment_id, version)
    amendment = Amendment(rule=msgspec.json.decode(former["rule"]))
    return await change(tx, caller, segment_id, amendment)


async def require_version(
    tx: AsyncConnection, workspace: str, segment_id: UUID, version: int
) -> dict[str, Any]:
    """What a segment was as `version`, or NotFoundError."""
    found = await definitions.history(
        tx, workspace, segment_id, before=min(version, definitions.MAX_VERSION - 1) + 1, limit=1
    )
    if not found or found[0]["version"] != version:
        raise NotFoundError(f"Segment {segment_id} has no version {version}.")
    return found[0]


async def _next(tx: AsyncConnection, caller: Operator, new: Stored, *, build_anew: bool) -> Stored:
    """Make it the version after the one that it is made of, which is in force now."""
    old_version = new.version
    new = replace(new, version=old_version + 1, updated_at=clock.now())
    if not build_anew and new.built_version == old_version:
        new = replace(new, built_version=new.version)
        await _write(tx, new, caller)
    else:
        await _put(tx, new, caller)
    return await require(tx, new.workspace, new.segment_id)


async def _build_beside(
    tx: AsyncConnection, caller: Operator, one: Stored, rule: str | None
) -> None:
    """Begin to build a rule beside the one in force; None: there is to be none."""
    known = await candidates.find(tx, one.workspace, one.segment_id)
    if known is not None and known.swapped_at is not None:
        known = None
    if rule is None:
        if known is not None:
            await _drop_candidate(tx, one)
            await _add(tx, one.workspace, partial(build_beside, segment_id=one.segment_id))
        return
    if known is not None:
        if _is_that_of(known.as_definition, rule_of(replace(one, rule=rule))):
            return
        await JOBS.cancel(tx, one.workspace, known.job)
    serial = await definitions.revision(tx, one.workspace) % 2**31
    job = await _add(tx, one.workspace, partial(build_beside, segment_id=one.segment_id))
    now = clock.now()
    await candidates.write(
        tx, Candidate(one.workspace, one.segment_id, serial, rule, job, now, caller.subject)
    )


async def _drop_candidate(tx: AsyncConnection, one: Stored) -> None:
    """Nobody is held any more against a rule that is not in force yet; who fitted it is forgotten
    by the next build.
    """
    known = await candidates.find(tx, one.workspace, one.segment_id)
    if known is not None and known.swapped_at is None:
        await JOBS.cancel(tx, one.workspace, known.job)
        await candidates.drop(tx, one.workspace, one.segment_id)


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
    return await _add(tx, one.workspace, partial(build, one=one))


async def _add(tx: AsyncConnection, workspace: str, job_of: Callable[[str], NewJob]) -> str:
    job = str(uuid7())
    await JOBS.add(tx, workspace, job_of(job))
    return job


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
