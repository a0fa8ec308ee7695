"""May they go now? Asked of claimed messages: by senders under locks, by dry runs without."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.addresses import addresses_of
from rapport_campaign.domain.broadcasts import in_time
from rapport_campaign.domain.channel_permission import decide_by, points_of
from rapport_campaign.domain.model import Campaign, Claimed, MessageKey, Person, Purpose
from rapport_campaign.domain.permission import (
    PermissionPolicy,
    Send,
    Suppressions,
    Verdict,
    decide,
)
from rapport_campaign.domain.suppressions import Listings, of_channel
from rapport_campaign.handlers.contacting import restrained
from rapport_campaign.store import campaigns, locks, objections, people, suppression_list, tracking
from rapport_campaign.store.objections import Objection
from rapport_common.events.consent import ConsentWord
from rapport_common.events.contact import EMAIL_CHANNEL, normal_email
from rapport_common.follower.domain import Key

Owners = Callable[[Mapping[str, Verdict]], Awaitable[Mapping[tuple[str, str, str], str]]]
"""Who has an address already, as `restrained` is told of it, by verdicts on who goes where."""


async def judged(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    persons: Mapping[MessageKey, Person],
    held: Mapping[MessageKey, Campaign],
    *,
    now: datetime,
    lock: bool = True,
    got: Owners | None = None,
) -> dict[str, Verdict]:
    """May they go now? By what people allow, by the rules of the workspace, and by their time.

    Senders ask so, and dry runs: these without `lock`, and with what they have found themselves.
    """
    verdicts = await verdicts_on(tx, claimed, persons, now, lock=lock)
    in_time(claimed, verdicts, now)
    owners = await got(verdicts) if got is not None else {}
    verdicts = await restrained(tx, claimed, verdicts, persons, held, now=now, got=owners)
    in_time(claimed, verdicts, now)
    return verdicts


async def verdicts_on(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    persons: Mapping[tuple[str, str], Person],
    now: datetime,
    *,
    lock: bool = True,
) -> dict[str, Verdict]:
    """What the people allow, by send key; without `lock` for who only wants to know."""
    addresses = [
        (one.workspace, address)
        for one in claimed
        for address in _addresses(one, persons.get(one.key))
    ]
    if lock:
        # Nobody else marks what goes there meanwhile: people who share an address get a mail once.
        await locks.own_addresses(tx, addresses)
    listed = await suppression_list.at(tx, addresses)
    listings = {
        channel: {one: of_channel(entries, channel) for one, entries in listed.items()}
        for channel in {one.channel for one in claimed}
    }
    suppressions = await tracking.suppressions(tx, addresses)
    said = await objections.about(tx, addresses)
    policies = await campaigns.policies(tx, [one.workspace for one in claimed])
    return {
        one.send_key: _by_channel(
            one,
            persons.get(one.key),
            policies.get(one.workspace, PermissionPolicy()),
            suppressions.get(one.workspace, {}),
            listings[one.channel].get(one.workspace, {}),
            now=now,
        )
        or decide(
            kind=one.kind,
            purpose=one.purpose,
            to_address=one.to_address,
            waited=one.waited,
            person=persons.get(one.key),
            policy=policies.get(one.workspace, PermissionPolicy()),
            suppressions=suppressions.get(one.workspace, {}),
            now=now,
            objections=_of_others(said.get(one.workspace, []), persons.get(one.key)),
            listings=listings[one.channel].get(one.workspace, {}),
        )
        for one in claimed
    }


def _by_channel(
    one: Claimed,
    person: Person | None,
    policy: PermissionPolicy,
    suppressions: Suppressions,
    listings: Listings,
    *,
    now: datetime,
) -> Verdict | None:
    """The verdict on what is no e-mail; None for e-mail."""
    if one.channel == EMAIL_CHANNEL:
        return None
    if one.kind == "test":
        return Send(one.to_address or "")
    return decide_by(
        one.channel,
        purpose=one.purpose,
        waited=one.waited,
        person=person,
        policy=policy,
        suppressions=suppressions,
        now=now,
        listings=listings,
    )


async def persons_of(
    tx: AsyncConnection, claimed: Sequence[Claimed], *, lock: bool
) -> dict[tuple[str, str], Person]:
    """Who each message is for, by its place in the ledger: after merges, and new enough."""
    keys: list[Key] = [(one.workspace, one.profile_id) for one in claimed]
    now_ids = await people.resolve(tx, keys)
    targets = [(workspace, now_ids[workspace, asked]) for workspace, asked in keys]
    loaded = await people.load(tx, [*keys, *targets], lock=lock)
    found: dict[tuple[str, str], Person] = {}
    for one, key, target in zip(claimed, keys, targets, strict=True):
        planned_for = loaded.get(key)
        person = loaded.get(target)
        known = planned_for is not None and planned_for.version >= one.needed_version
        if known and person is not None and (person.state is not None or person.gone):
            found[one.key] = person
    return found


def _addresses(claimed: Claimed, person: Person | None) -> list[str]:
    if claimed.channel != EMAIL_CHANNEL:
        known = person.state if person is not None else None
        return [] if known is None else [one.value for one in points_of(known, claimed.channel)]
    if claimed.kind != "entry":
        return [normal_email(claimed.to_address or "")]
    if person is None or person.state is None:
        return []
    return [one.value for one in addresses_of(person.state)]


def _of_others(
    said: Sequence[Objection], person: Person | None
) -> list[tuple[str, Purpose, ConsentWord]]:
    """The objections that the person's own state does not speak of."""
    own = person.profile_id if person is not None else None
    return [
        (one.address, one.purpose, one.word)
        for one in said
        if not (one.told and one.profile_id == own)
    ]
