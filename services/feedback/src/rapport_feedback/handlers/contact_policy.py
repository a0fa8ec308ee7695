"""The contact policy: declared by staff, and asked before anybody is invited."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import ConflictError, InvalidRequestError
from rapport_feedback.domain.contact_policy import Closed, ContactPolicy, why_not
from rapport_feedback.store import contact_history, contact_policies
from rapport_feedback.store import surveys as survey_store
from rapport_feedback.store.contact_history import Person
from rapport_feedback.store.contact_policies import Version


class TooSoonError(ConflictError):
    """The contact policy is against it; `details.opens_at` says until when."""

    code = "too_soon"

    def __init__(self, closed: Closed) -> None:
        what = "a survey" if closed.clock == "any_survey" else "this survey"
        message = (
            f"They were invited to {what} on {closed.since:%Y-%m-%d}: the contact policy opens on "
            f"{closed.opens_at:%Y-%m-%d}. Wait, or say `override` with a reason."
        )
        details = {
            "rule": closed.clock,
            "invited_at": closed.since.isoformat(),
            "opens_at": closed.opens_at.isoformat(),
        }
        super().__init__(message, details=details)


@dataclass(frozen=True, slots=True)
class Override:
    """Who invites somebody though the policy is against it, and why."""

    actor: str
    reason: str


async def declare(
    tx: AsyncConnection, workspace: str, policy: ContactPolicy, *, replaces: int, by: Override
) -> Version:
    """Let a policy hold from now on, in place of version `replaces`; ConflictError if that is old.

    What is planned goes by it, too: the policy is asked when somebody is invited.
    """
    for survey_id in policy.surveys:
        try:
            # Looked up as it is spelled by us: in capitals it would be kept and never hold.
            is_plain = str(UUID(survey_id)) == survey_id
            known = await survey_store.survey(tx, workspace, UUID(survey_id)) if is_plain else None
        except ValueError:
            known = None
        if known is None:
            message = (
                f"surveys.{survey_id[:80]}: there is no survey with this id, in small letters."
            )
            raise InvalidRequestError(message, details={"field": f"surveys.{survey_id[:80]}"})
    before = await contact_policies.current(tx, workspace)
    if policy == before.policy and before.version == replaces and before.version:
        return before
    new = Version(replaces + 1, policy, by.actor, by.reason)
    if before.version != replaces or not await contact_policies.add(tx, workspace, new):
        message = f"The contact policy is at version {before.version}, not {replaces}: look."
        raise ConflictError(message, details={"version": before.version})
    return await contact_policies.current(tx, workspace)


async def closed(
    tx: AsyncConnection, workspace: str, survey_id: UUID, person: Person, now: datetime
) -> Closed | None:
    """What is against inviting a person to a survey now; whoever then invites holds them."""
    policy = (await contact_policies.current(tx, workspace)).policy
    [history] = await contact_history.invited(tx, workspace, [person])
    return why_not(history, survey_id, policy, now)


async def require_open(
    tx: AsyncConnection, workspace: str, survey_id: UUID, person: Person, now: datetime
) -> None:
    """TooSoonError when the policy is against inviting somebody, whom the caller holds."""
    found = await closed(tx, workspace, survey_id, person, now)
    if found is not None:
        raise TooSoonError(found)
