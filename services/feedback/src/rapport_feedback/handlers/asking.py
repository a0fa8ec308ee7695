"""Asks people who are due: by the contact policy, as things are in that moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common.brands import brand_of
from rapport_common.due.store import Due, DueStore, NewDue
from rapport_common.due.worker import Handler
from rapport_common.events.envelope import ANONYMOUS_ID, EMAIL, USER_ID, Identifier
from rapport_common.pages.brand import Brand
from rapport_common.publisher import Publisher
from rapport_feedback import metrics
from rapport_feedback.domain import links
from rapport_feedback.domain.askings import (
    Asking,
    Occasion,
    Reason,
    State,
    reminder_at,
    room,
    tomorrow,
)
from rapport_feedback.domain.contact_policy import ContactPolicy, why_not
from rapport_feedback.domain.naming import Contact, named
from rapport_feedback.domain.survey_forms import Form
from rapport_feedback.domain.surveys import Survey
from rapport_feedback.handlers.planning import Waves
from rapport_feedback.handlers.survey_mails import Letter, request_of
from rapport_feedback.store import (
    askings,
    contact_history,
    contact_policies,
    occasions,
    reaching,
    survey_links,
    surveys,
)
from rapport_feedback.store.contact_history import Person
from rapport_feedback.store.due import ASK, DUE, WAVE
from rapport_feedback.store.people import FOLLOWER
from rapport_feedback.store.reaching import Reach
from rapport_feedback.tables import SCHEMA

PAGE = 200
MOST_ASKINGS = 5
"""So many are worked on in one transaction, since it holds people; the others follow at once."""

NOT_YET = timedelta(minutes=5)
GIVE_UP_AFTER = timedelta(hours=24)
"""So long somebody of whom nothing is told yet is waited for."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who an occasion is about, as is known now: all their names, and where they are reached."""

    occasion: Occasion
    reach: Reach
    person: Person


@dataclass(slots=True)
class Round:
    """One look at an asking: what it is about, and what has become of its occasions."""

    asking: Asking
    survey: Survey
    form: Form
    policy: ContactPolicy
    brand: Brand
    now: datetime
    changed: list[Occasion] = field(default_factory=list)
    asked: list[tuple[Somebody, Contact, str]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)

    def end(self, one: Occasion, reason: str, opens_at: datetime | None = None) -> None:
        """Nothing more is done about it: not asked, or not reminded (any more)."""
        state = State.NOT_ASKED if one.state is State.PLANNED else one.state
        self.changed.append(
            replace(one, state=state, reason=reason, opens_at=opens_at, next_at=None)
        )

    def wait(self, one: Occasion, until: datetime, reason: str) -> None:
        """It is looked at again."""
        self.changed.append(replace(one, reason=reason, opens_at=until, next_at=until))


@dataclass(frozen=True)
class Askers:
    """Carries out standing orders. `requests` go to campaign, links begin with `base`."""

    requests: Publisher
    link_key: bytes
    base: str
    due: DueStore = DUE

    @property
    def kinds(self) -> dict[str, Handler]:
        """What is done when each kind is due."""
        return {ASK: self.reached, WAVE: Waves(self.due).planned}

    async def reached(self, tx: AsyncConnection, rows: Sequence[Due], now: datetime) -> None:
        """A page of each asking's occasions; it is looked at again when the next one is due."""
        letters: list[Letter] = []
        later = [NewDue(one.workspace, ASK, one.key, now) for one in rows[MOST_ASKINGS:]]
        await self.due.schedule(tx, later)
        for row in sorted(rows[:MOST_ASKINGS], key=lambda one: (one.workspace, one.key)):
            asking = await askings.get(tx, row.workspace, UUID(row.key), lock=True)
            if asking is None:
                continue
            letters += await self._work(tx, asking, now)
            at = await occasions.next_at(tx, asking)
            if at is not None:
                soon = now if asking.archived_at is not None else max(at, now)
                await self.due.schedule(tx, [NewDue(row.workspace, ASK, row.key, soon)])
        # Last: the rows that they speak of are locked.
        await self.requests.publish(tx, [(request_of(one, now), None) for one in letters])

    async def _work(self, tx: AsyncConnection, asking: Asking, now: datetime) -> list[Letter]:
        found = await occasions.due(tx, asking, now, PAGE)
        survey = await surveys.survey(tx, asking.workspace, asking.survey_id)
        if not found or survey is None:
            return []
        form = await surveys.form(tx, asking.workspace, survey.survey_id, survey.version)
        if form is None:
            return []
        policy = (await contact_policies.current(tx, asking.workspace)).policy
        brand = await brand_of(tx, SCHEMA, asking.workspace)
        round_ = Round(asking, survey, form, policy, brand, now)
        if asking.archived_at is not None or survey.archived_at is not None:
            for one in found:
                round_.end(one, Reason.ARCHIVED)
        else:
            await self._ask(tx, round_, await self._somebodies(tx, round_, found))
        await occasions.save(tx, asking, round_.changed)
        for one in round_.changed:
            metrics.OCCASIONS.labels(one.state).inc()
        return round_.letters

    async def _somebodies(
        self, tx: AsyncConnection, round_: Round, found: Sequence[Occasion]
    ) -> list[Somebody]:
        """Whom these are about after merges, held until the end; of others what is known ends it.

        Of two occasions of one person the later one waits for the next look: what the first has
        come to counts then.
        """
        workspace = round_.asking.workspace
        keys = [(workspace, one.profile_id) for one in found]
        now_ids = await FOLLOWER.store.resolve(tx, keys)
        known = await reaching.reaches(tx, workspace, now_ids.values())
        there: list[tuple[Occasion, Reach]] = []
        for one in found:
            one = replace(one, profile_id=now_ids[workspace, one.profile_id])  # noqa: PLW2901
            reach = known.get(one.profile_id)
            if reach is not None:
                there.append((one, reach))
            elif round_.now - one.due_at < GIVE_UP_AFTER and one.state is State.PLANNED:
                round_.wait(one, round_.now + NOT_YET, Reason.UNKNOWN)
            else:
                round_.end(one, Reason.UNKNOWN)
        names = [_names(reach) for _, reach in there]
        persons = await contact_history.hold(tx, workspace, names) if names else []
        kept = await contact_history.restricted(tx, workspace, persons)
        somebodies: list[Somebody] = []
        taken: set[Identifier] = set()
        for at, ((one, reach), person) in enumerate(zip(there, persons, strict=True)):
            if at in kept:
                round_.end(one, Reason.RESTRICTED)
            elif not taken & person.identifiers:
                taken |= person.identifiers
                somebodies.append(Somebody(one, reach, person))
        return somebodies

    async def _ask(self, tx: AsyncConnection, round_: Round, found: Sequence[Somebody]) -> None:
        if not found:
            return
        asking, survey = round_.asking, round_.survey
        persons = [one.person for one in found]
        history = await contact_history.invited(tx, asking.workspace, persons)
        said = await contact_history.answered(
            tx, asking.workspace, persons, survey.survey_id, survey.wave
        )
        left = room(asking, round_.now)
        for at, one in enumerate(found):
            if one.occasion.state is not State.PLANNED:
                self._remind(round_, one, has_answered=at in said)
            elif at in said:
                round_.end(one.occasion, Reason.ANSWERED)
            elif left is not None and len(round_.asked) >= left:
                round_.wait(one.occasion, tomorrow(round_.now), Reason.QUOTA)
            else:
                _decide(round_, one, history[at])
        await self._invite(tx, round_)

    async def _invite(self, tx: AsyncConnection, round_: Round) -> None:
        """Make the links of those who are asked, in one statement, and the messages."""
        if not round_.asked:
            return
        asking, now = round_.asking, round_.now
        until = now + timedelta(days=asking.document.expires_days)
        new = [
            survey_links.New(uuid4(), contact, {"channel": channel, **one.occasion.context})
            for one, contact, channel in round_.asked
        ]
        made = await survey_links.invite_all(tx, round_.survey, new, at=now, until=until)
        for (one, _contacted, channel), invitation_id in zip(round_.asked, made, strict=True):
            asked = replace(
                one.occasion,
                state=State.ASKED,
                reason=None,
                opens_at=None,
                invitation_id=invitation_id,
                channel=channel,
                asked_at=now,
                next_at=reminder_at(asking, now, 0),
            )
            round_.changed.append(asked)
            round_.letters.append(self._letter(round_, asked, one.reach))
        await askings.count_asked(tx, asking, now, len(round_.asked))

    def _remind(self, round_: Round, one: Somebody, *, has_answered: bool) -> None:
        """Once more, while it is not answered and they are reached as they were."""
        occasion, asked_at = one.occasion, one.occasion.asked_at
        if has_answered:
            answered = replace(occasion, state=State.ANSWERED, answered_at=round_.now, next_at=None)
            round_.changed.append(answered)
            return
        channel = occasion.channel or ""
        if asked_at is None or one.reach.at(channel) is None:
            round_.end(occasion, Reason.NO_ADDRESS)
            return
        sent = occasion.reminders + 1
        reminded = replace(
            occasion,
            state=State.REMINDED,
            reminders=sent,
            next_at=reminder_at(round_.asking, asked_at, sent),
        )
        round_.changed.append(reminded)
        round_.letters.append(self._letter(round_, reminded, one.reach))

    def _letter(self, round_: Round, occasion: Occasion, reach: Reach) -> Letter:
        invitation_id = occasion.invitation_id or UUID(int=0)  # of who is asked there is one
        token = links.sign(self.link_key, invitation_id)
        return Letter(
            asking=round_.asking,
            occasion=occasion,
            form=round_.form,
            brand=round_.brand,
            language=reach.language,
            to=reach.at(occasion.channel or "") or "",
            url=f"{self.base}/s/{token}",
        )


def _decide(round_: Round, one: Somebody, history: Mapping[UUID, datetime]) -> None:
    """Ask somebody, unless a rule is against it."""
    closed = why_not(history, round_.survey.survey_id, round_.policy, round_.now)
    told = round_.asking.document
    if closed is not None and told.when_closed == "wait":
        round_.wait(one.occasion, closed.opens_at, closed.clock)
        return
    if closed is not None:
        round_.end(one.occasion, closed.clock, closed.opens_at)
        return
    channel = next((each for each in told.channels if one.reach.at(each) is not None), None)
    if channel is None:
        round_.end(one.occasion, Reason.NO_ADDRESS)
        return
    contact = _contact(one.reach)
    if contact is None:
        round_.end(one.occasion, Reason.NO_NAME)
        return
    round_.asked.append((one, contact, channel))


def _names(reach: Reach) -> list[Identifier]:
    return [(kind, value) for kind, values in reach.names.items() for value in values]


def _contact(reach: Reach) -> Contact | None:
    """By what the answer is kept; None for who is known by other kinds of names only."""
    first = {kind: values[0] for kind, values in reach.names.items() if values}
    email = reach.at("email") or first.get(EMAIL)
    return named(first.get(USER_ID), email, first.get(ANONYMOUS_ID))
