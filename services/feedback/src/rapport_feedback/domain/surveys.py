"""Surveys: invitations that end, and answers that can be changed for a while."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rapport_common.errors import AppError, ConflictError, InvalidRequestError
from rapport_feedback.domain.naming import Contact

MAX_COMMENT = 4000
MAX_REVISIONS = 20
"""Each is an event in the person's timeline."""


class Kind(StrEnum):
    """What a survey measures: declared, never guessed from the scale of its answers."""

    NPS = "nps"


@dataclass(frozen=True, slots=True)
class Survey:
    """A question and its current wave, counted from 1."""

    workspace: str
    survey_id: UUID
    name: str
    kind: Kind
    question: str
    wave: int
    created_at: datetime
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """One person's link to one wave of a survey, with the survey as the page shows it."""

    workspace: str
    invitation_id: UUID
    survey_id: UUID
    wave: int
    contact: Contact
    expires_at: datetime
    kind: Kind
    question: str


@dataclass(frozen=True, slots=True)
class Response:
    """A person's answer in one wave; every change is a revision, counted from 1."""

    response_id: UUID
    score: int
    comment: str
    revision: int
    answered_at: datetime
    revised_at: datetime


class GoneError(AppError):
    """The link has ended."""

    status = 410
    code = "gone"


class ArchivedError(ConflictError):
    """The survey is archived: links that are out stay good, new ones are not made."""

    code = "archived"

    def __init__(self, survey_id: UUID) -> None:
        message = f"Survey {survey_id} is archived. Create another one."
        super().__init__(message, details={"id": str(survey_id)})


class RestrictedError(ConflictError):
    """The person's data are only to be kept: they are asked nothing."""

    code = "restricted"

    def __init__(self) -> None:
        super().__init__(
            "This person's data may only be kept (`rapport privacy restraint list`): nobody asks "
            "them anything before that is lifted."
        )


class AnsweredError(ConflictError):
    """The answer stands: the time to change it is over."""

    code = "already_answered"


def require_open(invitation: Invitation, now: datetime) -> None:
    """GoneError when the invitation's time is over."""
    if now >= invitation.expires_at:
        message = (
            "This link has ended. If you would still like to tell us something, please write to us."
        )
        raise GoneError(message)


def answer(
    before: Response | None,
    score: int | None,
    comment: str | None,
    *,
    new_id: UUID,
    now: datetime,
    grace: timedelta,
) -> Response:
    """The response after someone sent a score, a comment, or both.

    The last answer wins within `grace` of the first; the same again changes nothing, whenever
    it comes. A comment may be added to an answer without one until the link ends, since the
    page asks for it only afterwards. Returns `before` itself when nothing changes.
    """
    if before is None:
        if score is None:
            raise InvalidRequestError("Please choose a number from 0 to 10 first.")
        return Response(new_id, score, comment or "", 1, now, now)
    after = replace(
        before,
        score=before.score if score is None else score,
        comment=before.comment if comment is None else comment,
    )
    if after == before:
        return before
    if not _may_change(before, after, now, grace):
        message = f"You have answered already ({before.score}), and that can't be changed any more."
        raise AnsweredError(message, details={"answered_at": before.answered_at.isoformat()})
    if before.revision >= MAX_REVISIONS and not _adds_comment(before, after):
        message = f"You have changed your answer {before.revision - 1} times; the last one stands."
        raise AnsweredError(message, details={"revisions": before.revision})
    return replace(after, revision=before.revision + 1, revised_at=now)


def _may_change(before: Response, after: Response, now: datetime, grace: timedelta) -> bool:
    return _adds_comment(before, after) or changeable(before, now, grace)


def _adds_comment(before: Response, after: Response) -> bool:
    return before.score == after.score and not before.comment


def changeable(response: Response, now: datetime, grace: timedelta) -> bool:
    """Whether a given score may still be changed."""
    return now - response.answered_at <= grace
