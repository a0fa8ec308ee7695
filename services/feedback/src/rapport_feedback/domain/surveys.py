"""Surveys: invitations that end, and answers that are given page by page and can be changed for a
while.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from rapport_common.errors import AppError, ConflictError, InvalidRequestError
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.question_fields import CHOOSE_NUMBER
from rapport_feedback.domain.questions import Value, keys_of
from rapport_feedback.domain.survey_forms import SCREENED, Form, PageOf
from rapport_feedback.domain.survey_paths import kept, walk

MAX_COMMENT = 4000
MAX_REVISIONS = 20
"""Each is an event in the person's timeline. New answers are added beyond it, none is changed."""

NOT_YET = "This page is not asked yet. Please open the link again."

OPEN_LINK = "open"
ANONYMOUS = "anonymous"
"""In place of the kind of an identifier: links and answers that are nobody's."""

LEAST_ANONYMOUS = 5
"""Of an anonymous survey no score of fewer people is told: it would be somebody's."""


class Kind(StrEnum):
    """What a survey measures: declared, never guessed from the scale of its answers."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"
    RATING = "rating"
    NONE = "none"


class State(StrEnum):
    """How far an answer is."""

    OPEN = "open"
    COMPLETE = "complete"
    SCREENED = "screened"
    FULL = "full"
    """There were enough answers already."""


COUNTED = (State.OPEN, State.COMPLETE)
"""What scores are made of: who was not wanted is not in them."""


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey, its newest version and its current wave, both counted from 1.

    `question` is the leading one, in the form's first language.
    """

    workspace: str
    survey_id: UUID
    name: str
    kind: Kind
    question: str
    wave: int
    created_at: datetime
    archived_at: datetime | None = None
    version: int = 1
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link to one wave of a survey: one person's, or everybody's to an anonymous survey.

    `context` is by which scores are told apart, `traits` what texts may say of the person;
    `version` is the newest of the survey's form.
    """

    workspace: str
    invitation_id: UUID
    survey_id: UUID
    wave: int
    contact: Contact
    expires_at: datetime
    kind: Kind
    question: str
    version: int = 1
    is_open: bool = False
    lasts: bool = False
    context: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """What somebody has answered in one wave; every change is a revision, counted from 1.

    `done` are the pages that were sent, `finished_at` when the last one was.
    """

    response_id: UUID
    answers: Mapping[str, Value]
    revision: int
    answered_at: datetime
    revised_at: datetime
    version: int = 1
    done: tuple[str, ...] = ()
    state: State = State.COMPLETE
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What came with a press: the pages it is of, and {key: answer} to all their questions."""

    pages: tuple[PageOf, ...]
    answers: Mapping[str, Value]


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


def day_of(now: datetime) -> datetime:
    """When an anonymous answer came: the day, so that no list of visits tells whose it is."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def require_open(invitation: Invitation, now: datetime) -> None:
    """GoneError when the invitation's time is over, unless it `lasts`."""
    if not invitation.lasts and now >= invitation.expires_at:
        message = (
            "This link has ended. If you would still like to tell us something, please write to us."
        )
        raise GoneError(message)


class AnonymousError(ConflictError):
    """Nobody is invited by name to a survey whose answers are nobody's."""

    code = "anonymous"

    def __init__(self) -> None:
        super().__init__(
            "This survey is anonymous: nobody is invited by name. "
            "POST …/links makes a link for all."
        )


class NotAnonymousError(ConflictError):
    """A link for all is to an anonymous survey only."""

    code = "not_anonymous"

    def __init__(self) -> None:
        super().__init__(
            "Answers to this survey are somebody's: POST …/invitations makes each their own link."
        )


def answer(
    form: Form,
    before: Response | None,
    sent: Sent,
    *,
    new_id: UUID,
    version: int,
    now: datetime,
    grace: timedelta,
) -> Response:
    """The response after a page was sent, or several.

    What was given may be changed until `grace` after the last page; the same again changes
    nothing, whenever it comes. What is only added is taken until the link ends. Of pages that are
    not asked (any more) nothing is taken. Returns `before` itself when nothing changes.
    """
    if before is not None and before.state in FINAL:
        return before
    if form.layout == "press":
        return _pressed(form, before, sent, new_id=new_id, version=version, now=now, grace=grace)
    answers, done = _taken(form, before, sent)
    way = walk(form, answers, done)
    found = kept(way, answers)
    state = State.OPEN if way.end is None else _ENDED.get(way.end, State.COMPLETE)
    passed = tuple(page.id for page in way.answered)
    if before is None:
        if not passed:
            raise InvalidRequestError(NOT_YET)
        finished = None if state is State.OPEN else now
        return Response(new_id, found, 1, now, now, version, passed, state, finished)
    after = replace(before, answers=found, done=passed, state=state)
    return _revised(before, after, now, grace)


_ENDED = {SCREENED: State.SCREENED}
FINAL = (State.SCREENED, State.FULL)


def _taken(
    form: Form, before: Response | None, sent: Sent
) -> tuple[dict[str, Value], tuple[str, ...]]:
    """Answers and pages, with what was sent in place of what was there."""
    answers = dict(before.answers) if before else {}
    done = before.done if before else ()
    shown = walk(form, answers, done).pages if form.layout == "pages" else tuple(form.pages)
    for page in sent.pages:
        if page in shown:
            keys = {key for one in page.questions for key in keys_of(one)}
            left = {key: value for key, value in answers.items() if key not in keys}
            told = {key: value for key, value in sent.answers.items() if key in keys}
            answers = {**left, **told}
            done = (*done, page.id)
    return answers, done


def _pressed(
    form: Form,
    before: Response | None,
    sent: Sent,
    *,
    new_id: UUID,
    version: int,
    now: datetime,
    grace: timedelta,
) -> Response:
    """A score that counts at once, and words that may come later: both stand by themselves."""
    lead = form.pages[0].questions[0]
    if before is None:
        if lead.id not in sent.answers:
            bounds = (getattr(lead, name) for name in ("lowest", "highest"))
            raise InvalidRequestError(CHOOSE_NUMBER % dict(zip(_BOUNDS, bounds, strict=True)))
        return Response(new_id, dict(sent.answers), 1, now, now, version, (), State.COMPLETE, now)
    keys = {key for page in sent.pages for one in page.questions for key in keys_of(one)}
    left = {key: v for key, v in before.answers.items() if key not in keys or key == lead.id}
    return _revised(before, replace(before, answers={**left, **sent.answers}), now, grace)


_BOUNDS = ("lowest", "highest")


def told_already(response: Response) -> AnsweredError:
    """An anonymous answer that others can see stands: a change of one alone is somebody's."""
    message = "You have answered already, and that can't be changed any more."
    return AnsweredError(message, details={"answered_at": response.answered_at.isoformat()})


def _revised(before: Response, after: Response, now: datetime, grace: timedelta) -> Response:
    if after == before:
        return before
    adds = all(after.answers.get(key) == value for key, value in before.answers.items())
    if not adds and not changeable(before, now, grace):
        raise told_already(before)
    # Each page that was added is a revision, too.
    if before.revision >= MAX_REVISIONS + len(before.done) and not adds:
        message = f"You have changed your answer {before.revision - 1} times; the last one stands."
        raise AnsweredError(message, details={"revisions": before.revision})
    finished = before.finished_at
    if finished is None and after.state is not State.OPEN:
        finished = now
    return replace(after, revision=before.revision + 1, revised_at=now, finished_at=finished)


def changeable(response: Response, now: datetime, grace: timedelta) -> bool:
    """Whether what was given may still be changed."""
    return response.finished_at is None or now - response.finished_at <= grace
