"""Declaring merge rules: from then on they hold, and a job brings everybody under them."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.ids import uuid7_text
from rapport_common.jobs.store import Job, NewJob
from rapport_profile.domain.rules import MergeRules, RulesError, checked
from rapport_profile.handlers.rebuilding import Wanted
from rapport_profile.store import rules
from rapport_profile.store.jobs import JOBS, REBUILD
from rapport_profile.store.rules import Version


def require_possible(declared: MergeRules) -> MergeRules:
    """The rules with their values in normal form; InvalidRequestError says what can't be."""
    try:
        return checked(declared)
    except RulesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


async def declare(
    tx: AsyncConnection, workspace: str, declared: MergeRules, *, after: int, by: tuple[str, str]
) -> tuple[Version, Job | None]:
    """Let rules follow version `after`, for whom (`by`: who and why); and the job that rebuilds.

    ConflictError when others have been declared meanwhile.
    """
    possible = require_possible(declared)
    await rules.hold(tx)
    (last,) = [*await rules.history(tx, workspace, 1), None][:1]
    known = 0 if last is None else last.version
    if known != after:
        message = (
            f"The rules are at version {known}, not {after}: look at them, and send yours again "
            f"with `version` {known}."
        )
        raise ConflictError(message, details={"version": known})
    await rules.add(tx, workspace, known + 1, possible, by=by)
    made = await rules.find(tx, workspace, known + 1)
    if made is None:
        raise LookupError(workspace)
    return made, await start(tx, workspace, Wanted(repair=True))


async def start(tx: AsyncConnection, workspace: str, wanted: Wanted) -> Job | None:
    """Make a job that rebuilds a workspace's profiles, or looks what that would change."""
    job = uuid7_text()
    await JOBS.add(tx, workspace, NewJob(job, REBUILD, msgspec.to_builtins(wanted)))
    return await JOBS.find(tx, workspace, job)
