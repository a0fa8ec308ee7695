"""Surveys as customers answer them, over a signed link, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import AppError, InvalidRequestError, NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import links, own_events
from rapport_feedback.domain import surveys as rules
from rapport_feedback.domain.question_fields import (
    SHORTEN,
    AnswerError,
    Fields,
    is_said,
    read,
)
from rapport_feedback.domain.questions import Value
from rapport_feedback.domain.survey_conditions import asked_of, holds
from rapport_feedback.domain.survey_forms import Form, PageOf, Quota
from rapport_feedback.domain.survey_paths import Walk, walk
from rapport_feedback.domain.surveys import Invitation, Response, Sent, State
from rapport_feedback.handlers.follow_ups import FollowingUp
from rapport_feedback.pages import TOO_LONG
from rapport_feedback.store import occasions, survey_batches, survey_links, survey_quotas
from rapport_feedback.store import survey_answers as store
from rapport_feedback.store import surveys as survey_store

NEVER = timedelta(days=-1)
"""What is finished and nobody's stands."""

MOST_FORMS = 200
"""So many are remembered as they were read; those that were read first go."""


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a link shows: what is asked, what this link has answered, where that stands.

    `key` goes on with an anonymous answer; nothing else knows which one it is.
    """

    invitation: Invitation
    form: Form
    response: Response | None
    changeable: bool
    way: Walk
    pages: tuple[PageOf, ...]
    key: str | None = None
    is_full: bool = False
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Posted:
    """What came with a press: fields, and on which page of the form it was."""

    fields: Fields
    page: str | None = None
    key: str | None = None


class PageError(AppError):
    """Answers on a page that won't do: it is shown again, with what was typed."""

    status = 422
    code = "invalid_request"

    def __init__(self, view: LinkView, wrong: Mapping[str, AnswerError]) -> None:
        problems = [{"path": name, "message": str(one)} for name, one in wrong.items()]
        super().__init__(problems[0]["message"], details={"problems": problems})
        self.view = view
        self.wrong = wrong


class SurveyAnswers:
    """The use cases of who has a link; each works in the transaction it is given."""

    def __init__(
        self,
        publisher: Publisher,
        following_up: FollowingUp,
        *,
        link_key: bytes,
        grace: timedelta,
    ) -> None:
        self._publisher = publisher
        self._following_up = following_up
        self._key = link_key
        self._grace = grace
        # A version is never changed, and who answers sees none before it is committed.
        self._forms: dict[tuple[str, UUID, int], Form] = {}

    def invited(self, token: str) -> UUID:
        """The invitation a link names; NotFoundError unless we made it. Needs no database."""
        invitation_id = links.read(self._key, token)
        if invitation_id is None:
            raise _no_page()
        return invitation_id

    async def opened(
        self, tx: AsyncConnection, invitation_id: UUID, now: datetime, *, lock: bool = False
    ) -> Invitation:
        """An invitation that still stands; NotFoundError or GoneError otherwise."""
        invitation = await survey_links.invitation(tx, invitation_id, lock=lock)
        if invitation is None:
            raise _no_page()
        rules.require_open(invitation, now)
        return invitation

    async def view(
        self,
        tx: AsyncConnection,
        invitation_id: UUID,
        now: datetime,
        *,
        page: str | None = None,
        key: str | None = None,
    ) -> LinkView:
        """The page as it stands, or an earlier one (`page`). Records nothing: mail clients fetch
        links on their own.
        """
        invitation = await self.opened(tx, invitation_id, now)
        answer_id = self._answer_id(invitation, key)
        raw = await store.response_of(tx, invitation, answer_id)
        version = raw.version if raw else invitation.version
        version, form = await self._form(tx, invitation, version)
        response = raw.of(form) if raw else None
        view = self._view(invitation, form, response, now, page=page, key=key)
        if raw is not None or not form.quotas:
            return view
        whole = [one for one in form.quotas if one.when is None]
        return replace(view, is_full=await survey_quotas.are_full(tx, invitation, whole))

    async def answer(
        self, tx: AsyncConnection, invitation_id: UUID, posted: Posted, now: datetime
    ) -> LinkView:
        """Record what a page was answered with, and publish what is new.

        PageError when it won't do.
        """
        invitation = await self.opened(tx, invitation_id, now, lock=True)
        answer_id = self._answer_id(invitation, posted.key)
        if answer_id is not None:
            # What comes without a key of this survey is begun here, and goes on with this one.
            key = links.sign(self._key, answer_id, _going_on(invitation))
            posted = replace(posted, key=key)
            await store.lock_anonymous(tx, answer_id)
            now = rules.day_of(now)
        raw = await store.response_of(tx, invitation, answer_id)
        # What is begun now is begun with what is asked now, whatever page was open: a version of
        # before has quotas of before. What was typed is read by the ids, which mean the same.
        version = raw.version if raw else invitation.version
        version, form = await self._form(tx, invitation, version)
        before = raw.of(form) if raw else None
        pages = _pages(form, posted)
        shown = self._view(invitation, form, before, now, key=posted.key)
        sent = Sent(pages, _read(replace(shown, pages=pages), posted.fields))
        after = rules.answer(
            form,
            before,
            sent,
            new_id=answer_id or uuid4(),
            version=version,
            now=now,
            grace=NEVER if invitation.is_open else self._grace,
        )
        if after is not before:
            if raw is not None and invitation.is_open and raw.is_told:
                raise rules.told_already(raw.of(form))
            after = await self._within_quotas(tx, invitation, form, before, after)
            await store.save_response(tx, invitation, form, after)
            if answer_id is None:
                await occasions.answered(tx, invitation.workspace, invitation_id, now)
                await self._following_up.answered(
                    tx, invitation, form, before=before, after=after, now=now
                )
            if invitation.is_open:
                await survey_batches.release(tx, invitation, form, now)
            await self._publisher.tell(tx, own_events.answered(form, invitation, after))
        view = self._view(invitation, form, after, now, key=posted.key)
        return replace(view, recorded=after is not before)

    async def _within_quotas(
        self,
        tx: AsyncConnection,
        invitation: Invitation,
        form: Form,
        before: Response | None,
        after: Response,
    ) -> Response:
        """The response, which is one too many when the quotas it counts in are full.

        It is counted once, as it was when its last page came.
        """
        if before is not None and before.finished_at is not None:
            return after
        quotas = [one for one in form.quotas if _is_in(form, one, after.answers)]
        if after.state is State.COMPLETE:
            is_one_too_many = not await survey_quotas.take(
                tx, invitation, quotas, after.response_id
            )
        else:
            passed = {one for page in form.pages if page.id in after.done for one in _ids(page)}
            known = [one for one in quotas if _asks(form, one) <= passed]
            is_one_too_many = await survey_quotas.are_full(tx, invitation, known)
        if not is_one_too_many or after.state is State.SCREENED:
            return after
        return replace(after, state=State.FULL, finished_at=after.revised_at)

    async def _form(
        self, tx: AsyncConnection, invitation: Invitation, version: int
    ) -> tuple[int, Form]:
        """A version of the form; the newest for one that never was."""
        workspace, survey_id = invitation.workspace, invitation.survey_id
        for one in (version, invitation.version):
            form = self._forms.get((workspace, survey_id, one))
            if form is None:
                form = await survey_store.form(tx, workspace, survey_id, one)
            if form is not None:
                self._forms[workspace, survey_id, one] = form
                if len(self._forms) > MOST_FORMS:
                    del self._forms[next(iter(self._forms))]
                return one, form
        raise _no_page()

    def _answer_id(self, invitation: Invitation, key: str | None) -> UUID | None:
        """The anonymous answer a key goes on with; None for a person's own link."""
        if not invitation.is_open:
            return None
        return links.read(self._key, key or "", _going_on(invitation)) or uuid4()

    def _view(
        self,
        invitation: Invitation,
        form: Form,
        response: Response | None,
        now: datetime,
        *,
        page: str | None = None,
        key: str | None = None,
    ) -> LinkView:
        grace = NEVER if invitation.is_open else self._grace
        changeable = response is None or (
            response.state not in rules.FINAL and rules.changeable(response, now, grace)
        )
        answers, done = (response.answers, response.done) if response else ({}, ())
        way = walk(form, answers, done)
        if invitation.is_open and links.read(self._key, key or "", _going_on(invitation)) is None:
            key = links.sign(self._key, uuid4(), _going_on(invitation))
        pages = _shown(form, way, page if changeable else None)
        return LinkView(invitation, form, response, changeable, way, pages, key)


def _shown(form: Form, way: Walk, page: str | None) -> tuple[PageOf, ...]:
    """What is asked now: all, or the next page, or one before that is asked for again."""
    if form.layout != "pages":
        return tuple(form.pages) if way.page is not None or page is not None else ()
    again = next((one for one in way.pages if one.id == page), way.page)
    return () if again is None else (again,)


def _pages(form: Form, posted: Posted) -> tuple[PageOf, ...]:
    """Of which pages fields were sent."""
    if form.layout == "all":
        return tuple(form.pages)
    if form.layout == "pages" and posted.page is not None:
        return tuple(page for page in form.pages if page.id == posted.page)
    told = [
        page
        for page in form.pages
        if any(is_said(question, posted.fields) for question in page.questions)
    ]
    return tuple(told)


def _read(view: LinkView, fields: Fields) -> dict[str, Value]:
    """{key: answer} of all pages of a view; PageError tells what won't do."""
    answers: dict[str, Value] = {}
    wrong: dict[str, AnswerError] = {}
    for page in view.pages:
        for question in page.questions:
            # A score that is pressed alone says nothing of the words below it.
            if view.form.layout == "press" and not is_said(question, fields):
                continue
            try:
                answers.update(read(question, fields))
            except AnswerError as error:
                wrong[question.id] = error
    if not wrong:
        return answers
    if view.form.layout == "press":
        first = next(iter(wrong.values()))
        raise InvalidRequestError(TOO_LONG if first.message == SHORTEN else str(first))
    raise PageError(view, wrong)


def _ids(page: PageOf) -> set[str]:
    return {one.id for one in page.questions}


def _asks(form: Form, quota: Quota) -> frozenset[str]:
    """The questions that say whether somebody counts in a quota."""
    condition = form.condition(quota.when)
    return frozenset() if condition is None else asked_of(condition)


def _is_in(form: Form, quota: Quota, answers: Mapping[str, Value]) -> bool:
    condition = form.condition(quota.when)
    return condition is None or holds(condition, answers)


def _going_on(invitation: Invitation) -> bytes:
    """What a key is for: an answer to this survey in this wave, and to no other."""
    return links.ANSWER + invitation.survey_id.bytes + invitation.wave.to_bytes(4, "big")


def _no_page() -> NotFoundError:
    return NotFoundError("There is no such page. Please check that the link is complete.")
