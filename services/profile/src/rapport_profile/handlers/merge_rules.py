"""Declaring merge rules: from then on they hold, and a job brings everybody under them."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.jobs.store import Job
from rapport_profile.domain.merge_rules import MergeRules, RulesError, checked
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.rebuilding import Wanted
from rapport_profile.store import merge_rules as rules
from rapport_profile.store.jobs import REBUILD
from rapport_profile.store.merge_rules import Version


def require_possible(declared: MergeRules) -> MergeRules:
    """The rules with their values in normal form; InvalidRequestError says what can't be."""
    try:
        return checked(declared)
    except RulesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


async def declare(
    tx: AsyncConnection, workspace: str, declared: MergeRules, *, after: int, by: tuple[str, str]
) -> tuple[Version, Job]:
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
    spec = msgspec.to_builtins(Wanted(repair=True))
    return made, await start(tx, None, workspace, REBUILD, spec)
