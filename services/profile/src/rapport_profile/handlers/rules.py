"""Declaring rules: a version takes the place of the one that its author has seen."""

from typing import TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_common.jobs.store import Job
from rapport_profile.domain.rules import RulesError
from rapport_profile.handlers import telling_needs
from rapport_profile.handlers.jobs import start
from rapport_profile.handlers.rebuilding import Wanted
from rapport_profile.store import rules
from rapport_profile.store.jobs import REBUILD
from rapport_profile.store.rules import Subject, Version

R = TypeVar("R", bound=msgspec.Struct)


def require_possible(subject: Subject[R], declared: R) -> R:
    """The rules in their normal form; InvalidRequestError says what can't be."""
    try:
        return subject.checked(declared)
    except RulesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error


async def declare(
    tx: AsyncConnection,
    subject: Subject[R],
    workspace: str,
    declared: R,
    *,
    after: int,
    by: tuple[str, str],
) -> Version[R]:
    """Let rules follow version `after`, for whom (`by`: who and why).

    InvalidRequestError says what can't be; ConflictError: others have been declared meanwhile.
    """
    possible = require_possible(subject, declared)
    last = await rules.latest(tx, subject, workspace)
    known = 0 if last is None else last.version
    made = None
    if known == after:
        made = await rules.add(tx, subject, workspace, known + 1, possible, by=by)
        known += made is None
    if made is None:
        message = (
            f"The rules are at version {known}, not {after}: look at them, and send yours again "
            f"with `version` {known}."
        )
        raise ConflictError(message, details={"version": known})
    return made


async def declare_of_people(
    tx: AsyncConnection,
    subject: Subject[R],
    workspace: str,
    declared: R,
    *,
    after: int,
    by: tuple[str, str],
) -> tuple[Version[R], Job]:
    """As `declare`, of rules by which people are worked out; and the job that does so anew."""
    await rules.hold(tx)
    made = await declare(tx, subject, workspace, declared, after=after, by=by)
    if subject.name == rules.CONSENT_RULES.name:
        await telling_needs.tell(tx, workspace)
    spec = msgspec.to_builtins(Wanted(repair=True))
    return made, await start(tx, None, workspace, REBUILD, spec)
