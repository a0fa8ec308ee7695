"""What becomes of messages: kept beside the ledger, heeded at once, and told to the other services.

Whatever is reported twice changes nothing: the row of the first report is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain import own_events, returning, suppressions
from rapport_campaign.domain.model import State
from rapport_campaign.domain.outcomes import (
    COMPLAINT,
    HARD_BOUNCE,
    SOFT_BOUNCES,
    Consequence,
    Report,
    Source,
    consequence,
    went_out,
)
from rapport_campaign.domain.returning import Returned
from rapport_campaign.store import locks, people, suppression_list, tracking, uncertain
from rapport_campaign.store import outcomes as store
from rapport_campaign.store.moves import Move
from rapport_campaign.store.outcomes import Kept
from rapport_campaign.store.tracking import Sent
from rapport_common import clock
from rapport_common.events.contact import EMAIL_CHANNEL, is_valid_phone, normal_contact_point
from rapport_common.events.envelope import Event
from rapport_common.publisher import Publisher

STOPPED = "stopped by message"
REPORTED = "nobody knew, until it was reported"
SMS = "sms"
_LISTED_FOR: dict[Consequence, suppressions.ListedPurpose] = {
    "dead": "all",
    "unwanted": "promotion",
}
_OTHER_EVENTS = {
    "bounced": own_events.MESSAGE_BOUNCED,
    "complained": own_events.MESSAGE_COMPLAINED,
}
_EVENTS = {
    "bounced": own_events.BOUNCED,
    "complained": own_events.COMPLAINED,
    "replied": own_events.REPLIED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which message a token of ours is of: a workspace, and the first half of a send key."""

    workspace: str
    half: str


def place_of(workspace: str, send_key: str) -> Place:
    """The place of a message by its key."""
    return Place(workspace, send_key[: 2 * returning.HALF])


class Marks:
    """By what the tokens of workspaces are found again, see `returning`; each is kept once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._kept: set[str] = set()

    async def add(self, tx: AsyncConnection, workspaces: Iterable[str]) -> set[str]:
        """Keep those that are not, before a mail of theirs leaves; which they are."""
        new = set(workspaces) - self._kept
        if new:
            await store.add_marks(tx, {one: returning.mark_of(self._key, one) for one in new})
        return new

    def committed(self, workspaces: Iterable[str]) -> None:
        """They are kept for good."""
        self._kept.update(workspaces)


class Outcomes:
    """Takes in reports about messages; `key` signs what stands in their addresses."""

    def __init__(self, publisher: Publisher, key: bytes = b"") -> None:
        """Without a key it reads no tokens."""
        self._publisher = publisher
        self._key = key

    async def place(self, tx: AsyncConnection, said: Sequence[Returned]) -> Place | None:
        """The first of some tokens that is one of ours."""
        workspaces = await store.marked(tx, {one.mark for one in said}) if said else {}
        for one in said:
            for workspace in workspaces.get(one.mark, ()):
                if returning.is_of(self._key, workspace, one):
                    return Place(workspace, one.key)
        return None

    async def take(
        self,
        tx: AsyncConnection,
        place: Place,
        report: Report,
        source: Source,
        moved: list[Move],
    ) -> bool:
        """Take in a report about a message; False when there is none, or it was told before.

        What has `moved` is to be counted at the end of the transaction.
        """
        send_key = await store.whole_key(tx, place.workspace, place.half)
        sent = await tracking.message(tx, place.workspace, send_key) if send_key else None
        if sent is None or sent.kind == "test":
            return False
        address = normal_contact_point(sent.channel, sent.to_address)
        # First the lock: what two reports say of one address is heeded one after the other.
        await locks.own_addresses(tx, [(sent.workspace, address)])
        now = clock.now()
        if not await store.add(tx, sent, _kept(report, source, address, now)):
            return False
        metrics.OUTCOMES.labels(report.kind, report.grade).inc()
        state = await _state(tx, sent)
        events = []
        if went_out(report) and (settled := await _settled(tx, sent)):
            moved += settled
            who = own_events.identity(state, address)
            events.append(
                own_events.sent(
                    sent.workspace,
                    who,
                    sent.send_key,
                    sent.campaign_id,
                    now,
                    channel=sent.channel,
                )
            )
        then = await self._heed(tx, sent, address, report, now)
        told = _event(sent, state, address, report, (now, then))
        events += [told] if told is not None else []
        await self._publisher.publish(tx, [(one, sent.traceparent) for one in events])
        return True

    async def stop(self, tx: AsyncConnection, workspace: str, number: str, mark: str) -> bool:
        """The owner of a phone number wants no more promotions there; told twice it is once."""
        await locks.own_addresses(tx, [(workspace, number)])
        now = clock.now()
        await _list(tx, workspace, suppressions.Place(SMS, number, "promotion"), STOPPED, now)
        if is_valid_phone(number):
            # Of what can be nobody's number nobody is told.
            event = own_events.stopped(workspace, number, mark, now)
            await self._publisher.publish(tx, [(event, None)])
        return True

    async def _heed(
        self, tx: AsyncConnection, sent: Sent, address: str, report: Report, now: datetime
    ) -> Consequence | None:
        """What may not go on stands on the suppression list, from which an operator takes it."""
        policy = await store.policy(tx, sent.workspace)
        soft = await store.not_reached(tx, sent.workspace, address, policy.days)
        then = consequence(report, soft, policy)
        if then is None:
            return None
        of_bounce = HARD_BOUNCE if report.grade == "hard" else SOFT_BOUNCES
        place = suppressions.Place(sent.channel, address, _LISTED_FOR[then])
        reason = COMPLAINT if then == "unwanted" else of_bounce
        await _list(tx, sent.workspace, place, reason, now)
        return then


async def _list(
    tx: AsyncConnection, workspace: str, place: suppressions.Place, reason: str, at: datetime
) -> None:
    entry = suppressions.Entry(place, reason, own_events.SOURCE, at)
    await suppression_list.put(tx, workspace, [entry])


def _kept(report: Report, source: Source, address: str, at: datetime) -> Kept:
    return Kept(
        kind=report.kind,
        mark=report.mark,
        grade=report.grade,
        code=report.code,
        text=report.text,
        source=source,
        address=address,
        at=at,
    )


def _event(
    sent: Sent,
    state: State | None,
    address: str,
    report: Report,
    seen: tuple[datetime, Consequence | None],
) -> Event | None:
    """What is told of a report; `seen`: when, and what follows from it."""
    at, then = seen
    is_mail = sent.channel == EMAIL_CHANNEL
    name = (_EVENTS if is_mail else _OTHER_EVENTS).get(report.kind)
    if name is None:
        return None
    said = {
        "contact_point": address,
        "channel": sent.channel,
        "class": report.grade or None,
        # By it profile knows that the contact point is dead.
        "consequence": then,
        "code": report.code or None,
        "text": (report.reply or report.text) or None,
        "subject": (report.text or None) if report.kind == "replied" else None,
    }
    return own_events.event(
        workspace=sent.workspace,
        who=own_events.identity(state, address),
        name=name,
        message_id=f"{report.kind}-{sent.send_key}-{report.mark[:32]}",
        at=at,
        properties={"campaign_id": sent.campaign_id, "send_key": sent.send_key, **said},
    )


async def _settled(tx: AsyncConnection, sent: Sent) -> list[Move]:
    """What nobody knew of the message is known now."""
    chosen = await uncertain.choose(
        tx, sent.workspace, send_keys=[sent.send_key], campaign_id=None, limit=1
    )
    return await uncertain.settle(tx, sent.workspace, chosen, "sent", REPORTED) if chosen else []


async def _state(tx: AsyncConnection, sent: Sent) -> State | None:
    key = (sent.workspace, sent.profile_id)
    now = (sent.workspace, (await people.resolve(tx, [key]))[key])
    person = (await people.load(tx, [now])).get(now)
    return person.state if person else None
