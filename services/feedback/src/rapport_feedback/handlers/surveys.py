"""Surveys: made and scored by staff, answered by customers over a signed link."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.errors import NotFoundError
from rapport_common.publisher import Publisher
from rapport_feedback.domain import links, nps, own_events
from rapport_feedback.domain import surveys as rules
from rapport_feedback.domain.naming import Contact
from rapport_feedback.domain.surveys import Invitation, Kind, Response, Survey
from rapport_feedback.store import people
from rapport_feedback.store import surveys as store

FIRST_WAVE = 1


@dataclass(frozen=True, slots=True)
class Result:
    """What a wave of a survey has come to."""

    wave: int
    invited: int
    counts: nps.Counts
    score: nps.Score


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a link shows: the question, the answer given by this link, and whether it may change."""

    invitation: Invitation
    response: Response | None
    changeable: bool
    recorded: bool = False


class Surveys:
    """The use cases of surveys; each works in the transaction it is given."""

    def __init__(
        self, publisher: Publisher, *, link_key: bytes, lifetime: timedelta, grace: timedelta
    ) -> None:
        self._publisher = publisher
        self._key = link_key
        self._lifetime = lifetime
        self._grace = grace

    # --- by staff ----------------------------------------------------------------------------

    async def create(
        self,
        tx: AsyncConnection,
        workspace: str,
        survey_id: UUID,
        *,
        name: str,
        question: str,
        now: datetime,
    ) -> Survey:
        """A new NPS survey in its first wave."""
        survey = Survey(workspace, survey_id, name, Kind.NPS, question, FIRST_WAVE, now)
        await store.add_survey(tx, survey)
        return survey

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
        return await self.get(tx, workspace, survey_id)

    async def _living(self, tx: AsyncConnection, workspace: str, survey_id: UUID) -> Survey:
        survey = await self.get(tx, workspace, survey_id)
        if survey.archived_at is not None:
            raise rules.ArchivedError(survey_id)
        return survey

    async def next_wave(self, tx: AsyncConnection, workspace: str, survey_id: UUID) -> int:
        """Begin the next run of a recurring survey; invitations made before stay in theirs."""
        await self._living(tx, workspace, survey_id)
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
    ) -> tuple[str, bool]:
        """The token of a person's link to the current wave, and whether it is a new link.

        RestrictedError for whose data are only to be kept.
        """
        survey = await self._living(tx, workspace, survey_id)
        if await people.is_restricted(tx, workspace, contact.identifiers):
            raise rules.RestrictedError
        invitation_id, is_new = await store.invite(
            tx, survey, contact, uuid4(), at=now, until=now + self._lifetime
        )
        return links.sign(self._key, invitation_id), is_new

    async def score(
        self, tx: AsyncConnection, workspace: str, survey_id: UUID, wave: int | None
    ) -> Result:
        """The score of a wave, the current one by default: each person counts once.

        NotFoundError when there has been no such wave.
        """
        survey = await self.get(tx, workspace, survey_id)
        chosen = wave or survey.wave
        if chosen > survey.wave:
            message = f"The survey has had no wave {chosen}; the current one is {survey.wave}."
            raise NotFoundError(message, details={"wave": chosen, "current": survey.wave})
        counts = nps.count(await store.score_counts(tx, workspace, survey_id, chosen))
        invited = await store.invited_count(tx, workspace, survey_id, chosen)
        return Result(chosen, invited, counts, nps.score(counts))

    # --- by the customer ---------------------------------------------------------------------

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
        invitation = await store.invitation(tx, invitation_id, lock=lock)
        if invitation is None:
            raise _no_page()
        rules.require_open(invitation, now)
        return invitation

    async def view(self, tx: AsyncConnection, invitation_id: UUID, now: datetime) -> LinkView:
        """The page as it stands. Records nothing: mail clients fetch links on their own."""
        invitation = await self.opened(tx, invitation_id, now)
        return self._view(invitation, await store.response_of(tx, invitation), now)

    async def answer(
        self,
        tx: AsyncConnection,
        invitation_id: UUID,
        *,
        score: int | None,
        comment: str | None,
        now: datetime,
    ) -> LinkView:
        """Record a score at once, or a comment on it, and publish what is new."""
        invitation = await self.opened(tx, invitation_id, now, lock=True)
        before = await store.response_of(tx, invitation)
        after = rules.answer(before, score, comment, new_id=uuid4(), now=now, grace=self._grace)
        if after is not before:
            await store.save_response(tx, invitation, after)
            await self._publisher.tell(tx, own_events.answered(invitation, after))
        return self._view(invitation, after, now, recorded=after is not before)

    def _view(
        self,
        invitation: Invitation,
        response: Response | None,
        now: datetime,
        *,
        recorded: bool = False,
    ) -> LinkView:
        changeable = response is None or rules.changeable(response, now, self._grace)
        return LinkView(invitation, response, changeable, recorded)


def _unknown(survey_id: UUID) -> NotFoundError:
    message = f"There is no survey {survey_id} in this workspace. GET /v1/surveys lists them."
    return NotFoundError(message, details={"id": str(survey_id)})


def _no_page() -> NotFoundError:
    return NotFoundError("There is no such page. Please check that the link is complete.")
