"""Surveys: made, changed, run in waves and sent out by staff."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_feedback.domain import links
from rapport_feedback.domain import surveys as rules
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.survey_checks import read_form, refused
from rapport_feedback.domain.survey_forms import Form, to_document
from rapport_feedback.domain.survey_texts import by_language
from rapport_feedback.domain.surveys import Kind, Survey
from rapport_feedback.handlers.contact_policy import Override, require_open
from rapport_feedback.store import contact_history, survey_batches, survey_links
from rapport_feedback.store import surveys as store

FIRST_WAVE = FIRST_VERSION = 1


class Surveys:
    """The use cases of staff; each works in the transaction it is given."""

    def __init__(self, *, link_key: bytes, lifetime: timedelta) -> None:
        self._key = link_key
        self._lifetime = lifetime

    async def create(
        self,
        tx: AsyncConnection,
        workspace: str,
        survey_id: UUID,
        *,
        name: str,
        form: Form,
        actor: str,
        now: datetime,
    ) -> Survey:
        """A new survey in its first wave and version."""
        survey = Survey(
            workspace,
            survey_id,
            name,
            Kind(form.kind),
            leading(form),
            FIRST_WAVE,
            now,
            version=FIRST_VERSION,
            anonymous=form.anonymous,
        )
        await store.add_survey(tx, survey)
        await store.add_version(tx, survey, form, actor, now)
        return survey

    async def form(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, version: int | None = None
    ) -> tuple[Survey, Form]:
        """A survey and what a version of it asks, the newest by default."""
        survey = await self.get(tx, workspace, survey_id)
        found = await store.form(tx, workspace, survey_id, version or survey.version)
        if found is None:
            message = f"The survey has no version {version}; the newest is {survey.version}."
            raise NotFoundError(message, details={"version": version, "newest": survey.version})
        return survey, found

    async def change_form(
        self,
        tx: AsyncConnection,
        workspace: str,
        survey_id: UUID,
        document: Mapping[str, object],
        *,
        actor: str,
        now: datetime,
    ) -> tuple[Survey, Form]:
        """Another version from now on; who has begun to answer finishes the one before.

        The same form again makes no version.
        """
        await self._living(tx, workspace, survey_id, lock=True)
        survey, before = await self.form(tx, workspace, survey_id)
        form = read_form(document, before)
        if to_document(form) == to_document(before):
            return survey, before
        if form.kind != survey.kind:
            raise refused(
                [("form.pages", f"measure {form.kind}; the survey measures {survey.kind}")]
            )
        changed = replace(survey, version=survey.version + 1, question=leading(form))
        if survey.version == FIRST_VERSION and not await store.versions(
            tx, workspace, survey_id, before=None, limit=1
        ):
            # Made by a process of the release before: what was asked is kept, too.
            await store.add_version(tx, survey, before, actor, survey.created_at)
        await store.add_version(tx, changed, form, actor, now)
        await store.set_version(tx, changed)
        return changed, form

    async def get(self, tx: AsyncConnection, workspace: str, survey_id: UUID) -> Survey:
        """One survey; NotFoundError when the workspace has none with this id."""
        survey = await store.survey(tx, workspace, survey_id)
        if survey is None:
            raise _unknown(survey_id)
        return survey

    async def rename(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, name: str
    ) -> Survey:
        """Another name for a survey; its question stays, since answers are to that one."""
        await self._living(tx, workspace, survey_id)
        await store.rename(tx, workspace, survey_id, name)
        return await self.get(tx, workspace, survey_id)

    async def archive(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, now: datetime
    ) -> Survey:
        """No new links from now on; those that are out can be answered until they end."""
        await store.archive(tx, workspace, survey_id, now)
        await self._end_wave(tx, workspace, survey_id, now)
        return await self.get(tx, workspace, survey_id)

    async def _living(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, *, lock: bool = False
    ) -> Survey:
        survey = await store.survey(tx, workspace, survey_id, lock=lock)
        if survey is None:
            raise _unknown(survey_id)
        if survey.archived_at is not None:
            raise rules.ArchivedError(survey_id)
        return survey

    async def _end_wave(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, now: datetime
    ) -> None:
        """Anonymous answers that are too few by their context are told of without it."""
        survey, form = await self.form(tx, workspace, survey_id)
        if survey.anonymous:
            day = rules.day_of(now)
            await survey_batches.release_rest(tx, (workspace, survey_id), survey.wave, form, day)

    async def next_wave(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, now: datetime
    ) -> int:
        """Begin the next run of a recurring survey; invitations made before stay in theirs."""
        await self._living(tx, workspace, survey_id)
        await self._end_wave(tx, workspace, survey_id, now)
        wave = await store.next_wave(tx, workspace, survey_id)
        if wave is None:
            raise _unknown(survey_id)
        return wave

    async def invite(
        self,
        tx: AsyncConnection,
        workspace: str,
        survey_id: UUID,
        contact: Contact,
        now: datetime,
        *,
        context: Mapping[str, str],
        traits: Mapping[str, str],
        override: Override | None = None,
    ) -> tuple[str, bool]:
        """The token of a person's link to the current wave, and whether it is a new link.

        `context`: by what the answer is counted; `traits`: what texts may say of the person.
        RestrictedError for whose data are only to be kept, AnonymousError where nobody is named,
        TooSoonError when the contact policy is against a new link and there is no `override`.
        """
        survey = await self._living(tx, workspace, survey_id)
        if survey.anonymous:
            raise rules.AnonymousError
        [person] = await contact_history.hold(tx, workspace, [contact.identifiers])
        if await contact_history.restricted(tx, workspace, [person]):
            raise rules.RestrictedError
        is_known = await survey_links.is_invited(tx, survey, contact)
        if not is_known and override is None:
            await require_open(tx, workspace, survey_id, person, now)
        invitation_id, is_new = await survey_links.invite(
            tx,
            survey,
            contact,
            uuid4(),
            at=now,
            until=now + self._lifetime,
            context=context,
            traits=traits,
            overridden=(override.actor, override.reason) if override and not is_known else None,
        )
        return links.sign(self._key, invitation_id), is_new

    async def open_link(
        self,
        tx: AsyncConnection,
        workspace: str,
        survey_id: UUID,
        now: datetime,
        *,
        context: Mapping[str, str],
    ) -> tuple[str, bool]:
        """The token of the link for all to an anonymous survey's wave, one for each context."""
        survey = await self._living(tx, workspace, survey_id)
        if not survey.anonymous:
            raise rules.NotAnonymousError
        invitation_id, is_new = await survey_links.open_link(
            tx, survey, uuid4(), at=now, until=now + self._lifetime, context=context
        )
        return links.sign(self._key, invitation_id), is_new


def leading(form: Form) -> str:
    """The words of the leading question, or the first, in the form's first language."""
    question = form.lead or next(iter(form.questions.values()))
    words = by_language(question.text, form)
    return words.get(form.languages[0]) or next(iter(words.values()))


def _unknown(survey_id: UUID) -> NotFoundError:
    message = f"There is no survey {survey_id} in this workspace. GET /v1/surveys lists them."
    return NotFoundError(message, details={"id": str(survey_id)})
