"""Declaring a loyalty programme: from its time on it holds, and members are settled by it.

What happened before, and was told before, counts when that is asked for: see `backfill`.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.due.store import NewDue
from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.idempotency import Once
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_profile.domain.loyalty.checking import ProgrammeError, declared
from rapport_profile.domain.loyalty.programme import Programme
from rapport_profile.handlers.jobs import begin, made_before
from rapport_profile.handlers.loyalty_backfill import Wanted
from rapport_profile.store import loyalty_programmes as store
from rapport_profile.store.due import DUE, LOYALTY_EVERYBODY
from rapport_profile.store.jobs import BACKFILL_LOYALTY
from rapport_profile.store.loyalty_programmes import Declared

AHEAD = timedelta(seconds=5)
"""So much later than it is declared a version holds, at least: all have heard of it by then."""


def require_possible(value: dict[str, Any]) -> Programme:
    """The programme that JSON values declare; InvalidRequestError says what can't be."""
    try:
        return declared(value)
    except ProgrammeError as error:
        where = ".".join(filter(None, ("programme", error.where)))
        raise InvalidRequestError(f"{where}: {error}.", details={"field": where}) from error


async def declare(
    tx: AsyncConnection,
    workspace: str,
    programme: Programme,
    *,
    after: int,
    since: datetime | None,
    by: tuple[str, str],
) -> Declared:
    """Let a programme follow version `after`, from `since` on, for whom (`by`: who and why).

    The first one may hold since long ago: what is told from now on of that time counts. Others
    hold from now on. ConflictError when another has been declared meanwhile.
    """
    await store.hold(tx)
    (last,) = [*await store.history(tx, workspace, 1), None][:1]
    known = 0 if last is None else last.version
    if known != after:
        raise _overtaken(known, after)
    soon = await store.now(tx) + AHEAD
    if last is not None and since is not None and since < max(soon, last.since):
        message = (
            "since: a version holds from now on, and after those before it: give a time at least "
            f"{AHEAD.seconds} seconds ahead, or none."
        )
        raise InvalidRequestError(message, details={"field": "since"})
    begins = since or (soon if last is None else max(soon, last.since + AHEAD))
    made = await store.add(tx, workspace, known + 1, programme, since=begins, by=by)
    if made is None:
        raise _overtaken(known + 1, after)
    row = NewDue(workspace, LOYALTY_EVERYBODY, str(made.version), begins)
    await DUE.schedule(tx, [row])
    return made


async def backfill(
    tx: AsyncConnection,
    once: Once | None,
    workspace: str,
    counts_from: datetime,
    *,
    dry_run: bool,
    by: tuple[str, str],
) -> Job:
    """Let what happened since `counts_from` count, by the first version; the job that sees to it.

    `dry_run`: it only says what would be. ConflictError where there is no programme.
    """
    new, asked = uuid7_text(), [counts_from, dry_run, by[1]]
    # Who settles members by the former beginning is waited for.
    if not dry_run:
        await store.hold(tx)
    if made := await made_before(tx, once, workspace, asked=asked, job_id=new):
        return made
    versions = (await store.versions(tx, [workspace]))[workspace]
    if not versions:
        message = "This workspace has no loyalty programme: declare one first."
        raise ConflictError(message, code="no_programme")
    if counts_from > versions[0].since:
        message = (
            f"since: the programme counts from {versions[0].since.isoformat()} on already: "
            "give that time, or an earlier one."
        )
        raise InvalidRequestError(message, details={"field": "since"})
    if not dry_run:
        await store.begin_earlier(tx, workspace, counts_from, by=by)
    spec = msgspec.to_builtins(Wanted(counts_from, dry_run))
    return await begin(tx, workspace, NewJob(new, BACKFILL_LOYALTY, spec))


def _overtaken(known: int, after: int) -> ConflictError:
    message = (
        f"The programme is at version {known}, not {after}: look at it, and send yours again with "
        f"`version` {known}."
    )
    return ConflictError(message, details={"version": known})
