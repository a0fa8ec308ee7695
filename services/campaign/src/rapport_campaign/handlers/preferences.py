"""The page of preferences of an address: what is shown on it, and what is said there."""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain import own_events
from rapport_campaign.domain.model import PROMOTION, State
from rapport_campaign.domain.permission import PermissionPolicy, granted_at
from rapport_campaign.domain.preferences import Choice, Holder, Known, Shown, changed, gets, leaves
from rapport_campaign.domain.tokens import Token
from rapport_campaign.domain.topics import USUAL, Topic, in_language, of_channel
from rapport_campaign.store import campaigns, locks, people, tracking
from rapport_campaign.store import preferences as store
from rapport_campaign.store.preferences import Link
from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import InvalidRequestError
from rapport_common.events.consent import ANY_PURPOSE, IP_OF_A_WORD
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.events.envelope import identifier_digest
from rapport_common.publisher import Publisher

LEFT = "left on the page of preferences"
KEY_BYTES = 32


class Preferences:
    """Shows what an address gets, and takes in what its owner says."""

    def __init__(self, publisher: Publisher, event_key: bytes) -> None:
        """`publisher` writes to `events`; addresses on the internet are hashed under the key."""
        self._publisher = publisher
        self._event_key = event_key

    async def holder(self, tx: AsyncConnection, token: Token) -> Holder | None:
        """Whose page a token of a mail, or of a link that was made for somebody, leads to."""
        sent = await tracking.message(tx, token.workspace, token.send_key)
        if sent is not None:
            address = normal_email(sent.to_address)
            is_test = sent.kind == "test"
            return Holder(sent.workspace, address, sent.profile_id, is_test, by_mail=True)
        link = await store.link(tx, token.workspace, token.send_key)
        return None if link is None else Holder(link.workspace, link.address, link.profile_id)

    async def shown(self, tx: AsyncConnection, holder: Holder) -> Shown:
        """What is on somebody's page now."""
        version, topics = await _topics(tx, holder.workspace)
        known, _state = await known_of(tx, holder)
        now = clock.now()
        wanted = [(one, gets(known, holder.address, one.purpose, now)) for one in topics]
        return Shown(holder, version, wanted)

    async def choose(
        self,
        tx: AsyncConnection,
        holder: Holder,
        chosen: Collection[str] | None,
        by: tuple[int, str | None],
    ) -> None:
        """Take in which topics are wanted, the others not; None: nothing at all is.

        `by`: the version of the topics that were shown, and the address on the internet. Sent again
        it changes nothing. InvalidRequestError: the topics are others by now, so nobody has chosen.
        """
        seen, ip = by
        if holder.is_test:
            return
        await locks.own_addresses(tx, [(holder.workspace, holder.address)])
        version, topics = await _topics(tx, holder.workspace)
        if chosen is not None and seen != version:
            message = "The topics have changed since the page was opened."
            raise InvalidRequestError(message, details={"field": "form"})
        known, state = await known_of(tx, holder)
        now = clock.now()
        if chosen is not None:
            choices = changed(known, holder.address, topics, chosen, now)
        elif leaves(known, holder.address, topics, now):
            choices = [Choice(ANY_PURPOSE, wanted=False)]
        else:
            choices = []
        if choices:
            await store.say(tx, holder, choices, now)
            await self._tell(tx, (holder, state), choices, (version, ip, now))

    async def _tell(
        self,
        tx: AsyncConnection,
        whose: tuple[Holder, State | None],
        choices: Sequence[Choice],
        told: tuple[int, str | None, datetime],
    ) -> None:
        (holder, state), (version, ip, now) = whose, told
        place = (holder.workspace, holder.address)
        if any(not one.wanted and one.purpose in {PROMOTION, ANY_PURPOSE} for one in choices):
            agreed = granted_at(state, holder.address)
            # What was agreed before is taken back, also when a clock that is ahead has stamped it.
            since = max(now, agreed or now)
            await tracking.suppress(tx, place, holder.profile_id, LEFT, since)
        who = own_events.identity(state, holder.address)
        rests_on = {
            "method": "preferences" if holder.by_mail else "link",
            "wording_version": f"topics-{version}",
            "ip_hash": self._hashed(holder, ip),
        }
        events = [
            own_events.chosen(
                *(holder.workspace, who, holder.address, now),
                {
                    "purpose": one.purpose,
                    "state": "granted" if one.wanted else "withdrawn",
                    **rests_on,
                },
            )
            for one in choices
        ]
        await self._publisher.tell(tx, *events)
        metrics.TRACKED.labels("preferences").inc(len(events))

    def _hashed(self, holder: Holder, ip: str | None) -> str | None:
        if not ip:
            return None
        return identifier_digest(self._event_key, holder.workspace, (IP_OF_A_WORD, ip)).hex()


async def name_of(tx: AsyncConnection, workspace: str, purpose: str, language: str) -> str:
    """What the workspace calls a purpose by e-mail; empty for promotions that have no name."""
    _version, topics = await _topics(tx, workspace)
    for one in topics:
        if one.purpose == purpose:
            return in_language(one.names, language)
    return "" if purpose == PROMOTION else purpose


def new_key() -> str:
    """What a link is known by."""
    return secrets.token_hex(KEY_BYTES)


async def make_link(
    tx: AsyncConnection, caller: Operator, key: str, whose: tuple[str, str], reason: str
) -> Link:
    """A link to somebody's page (`whose`: profile id and address), whom an operator speaks with."""
    profile_id, address = whose
    made = Link(
        workspace=caller.workspace,
        link_key=key,
        profile_id=profile_id,
        address=normal_email(address),
        actor=caller.subject,
        reason=reason,
        created_at=clock.now(),
    )
    await store.add_link(tx, made)
    return made


async def topics_of(tx: AsyncConnection, workspace: str) -> list[Topic]:
    """What can be said yes and no to at an e-mail address."""
    return (await _topics(tx, workspace))[1]


async def _topics(tx: AsyncConnection, workspace: str) -> tuple[int, list[Topic]]:
    """The version that holds and what of it can be said of an e-mail address."""
    found = await store.history(tx, workspace, 1)
    if not found:
        return 0, list(USUAL)
    return found[0].version, of_channel(found[0].topics, EMAIL_CHANNEL)


async def known_of(tx: AsyncConnection, holder: Holder) -> tuple[Known, State | None]:
    """What is known of an address, and of whose it is."""
    key = (holder.workspace, holder.profile_id)
    now = (holder.workspace, (await people.resolve(tx, [key]))[key])
    person = (await people.load(tx, [now])).get(now)
    state = person.state if person is not None else None
    place = (holder.workspace, holder.address)
    suppressed = (await tracking.suppressions(tx, [place])).get(holder.workspace, {})
    policies = await campaigns.policies(tx, [holder.workspace])
    policy = policies.get(holder.workspace, PermissionPolicy())
    known = Known(
        consents=state.consent if state is not None else [],
        words=await store.words(tx, *place),
        unsubscribed=suppressed.get((holder.address, PROMOTION)),
        unasked=policy.writes_unasked,
    )
    return known, state
