"""Declaring how long events of which class stay on timelines."""

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_profile.domain.merge_rules import RulesError
from rapport_profile.domain.timeline_rules import TimelineRules, checked
from rapport_profile.store import timeline_rules as rules
from rapport_profile.store.timeline_rules import Version


async def declare(
    tx: AsyncConnection, workspace: str, declared: TimelineRules, *, after: int, by: tuple[str, str]
) -> Version:
    """Let rules follow version `after`, for whom (`by`: who and why).

    InvalidRequestError says what can't be; ConflictError: others have been declared meanwhile.
    """
    try:
        possible = checked(declared)
    except RulesError as error:
        message = f"{error.where}: {error}."
        raise InvalidRequestError(message, details={"field": error.where}) from error
    (last,) = [*await rules.history(tx, workspace, 1), None][:1]
    known = 0 if last is None else last.version
    made = None
    if known == after:
        made = await rules.add(tx, workspace, known + 1, possible, by=by)
        known += made is None
    if made is None:
        message = (
            f"The rules are at version {known}, not {after}: look at them, and send yours again "
            f"with `version` {known}."
        )
        raise ConflictError(message, details={"version": known})
    return made
