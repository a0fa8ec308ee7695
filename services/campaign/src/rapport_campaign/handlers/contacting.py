"""Holds messages to the rules of their workspace, in the transaction that marks them `sending`.

The people are locked by then, so is each address: what is counted stays so until the commit, and
of many campaigns at a time none goes past a cap. One statement for each question, whoever is
claimed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.channel_permission import WEBHOOK
from rapport_campaign.domain.contact_rules import USUAL
from rapport_campaign.domain.contacting import (
    Candidate,
    Rivals,
    Uses,
    by_itself,
    capped,
    gives_way,
    in_turn,
    same_address,
)
from rapport_campaign.domain.model import Campaign, Claimed, MessageKey, Person
from rapport_campaign.domain.permission import Send, Verdict
from rapport_campaign.domain.preferences import Known, Words, declined
from rapport_campaign.domain.zones import clock_of
from rapport_campaign.store import (
    contact_rules,
    contacts,
    objections,
    people,
    preferences,
    rivalry,
    withheld,
)
from rapport_campaign.store.contacts import Asked, Contact, ContactClass, Shared
from rapport_campaign.store.objections import Objection
from rapport_campaign.store.rivalry import Ahead
from rapport_campaign.store.withheld import Withheld

Persons = Mapping[MessageKey, Person]
Held = Mapping[tuple[str, str], Campaign]
NOBODY: Mapping[tuple[str, str, str], str] = {}


async def restrained(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    verdicts: Mapping[str, Verdict],
    persons: Persons,
    held: Held,
    *,
    now: datetime,
    got: Mapping[tuple[str, str, str], str] = NOBODY,
) -> dict[str, Verdict]:
    """The verdicts on messages, by send key, after the rules of their workspaces.

    `got`: by (workspace, campaign, address) who has it of those that no contact tells of.

    What nobody planned for a campaign is transactional: no rule of these is about it. A webhook
    tells a program, and so nobody is written to.
    """
    found = dict(verdicts)
    candidates = await _candidates(tx, claimed, verdicts, persons, held, now=now)
    left = []
    for one in in_turn(candidates):
        refusal = by_itself(one, now)
        if refusal is None:
            left.append(one)
        else:
            found[one.claimed.send_key] = refusal
    await _one_by_one(tx, left, found, now, dict(got))
    return found


async def noted(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    verdicts: Mapping[str, Verdict],
    persons: Persons,
    now: datetime,
) -> None:
    """Write the contact log of what goes, and why the rest does not."""
    sent, back = [], []
    for one in claimed:
        verdict = verdicts[one.send_key]
        if isinstance(verdict, Send):
            # A request may name nobody: it counts for nobody.
            if one.kind != "test" and one.profile_id and one.channel != WEBHOOK:
                sent.append(_contact(one, persons.get(one.key), verdict.address))
        elif verdict.facts is not None:
            back.append(Withheld(one.key, verdict.reason, verdict.facts))
    await contacts.add(tx, sent, now)
    await withheld.note(tx, back, now)


async def forget_unsent(tx: AsyncConnection, unsent: Mapping[MessageKey, str]) -> None:
    """What has not been sent is no contact: it counts for no cap, and for nobody's address.

    `unsent` says for whom each message was planned.
    """
    if not unsent:
        return
    now_ids = await people.resolve(tx, [(key[0], profile) for key, profile in unsent.items()])
    whose = [(key, now_ids[key[0], profile]) for key, profile in unsent.items()]
    await contacts.remove(tx, whose)


def _contact(one: Claimed, person: Person | None, address: str) -> Contact:
    is_of_campaign = one.kind == "entry"
    purpose: ContactClass = (
        one.purpose if is_of_campaign and one.purpose != "survey" else "transactional"
    )
    return Contact(
        workspace=one.workspace,
        profile_id=person.profile_id if person is not None else one.profile_id,
        send_key=one.send_key,
        channel=one.channel,
        purpose=purpose,
        campaign_id=one.campaign_id if is_of_campaign else None,
        address=address,
    )


async def _candidates(
    tx: AsyncConnection,
    claimed: Sequence[Claimed],
    verdicts: Mapping[str, Verdict],
    persons: Persons,
    held: Held,
    *,
    now: datetime,
) -> list[Candidate]:
    wanted = [
        (one, verdict.address, persons[one.key], held[one.workspace, one.campaign_id or ""])
        for one in claimed
        if one.kind == "entry"
        and one.channel != WEBHOOK
        and isinstance(verdict := verdicts[one.send_key], Send)
    ]
    if not wanted:
        return []
    rules = await contact_rules.current(tx, [one.workspace for one, *_ in wanted])
    found = []
    for one, address, person, campaign in wanted:
        own = rules.get(one.workspace, USUAL)
        clock = clock_of(person.state, own.timezone)
        found.append(Candidate(one, person, campaign, address, own, clock))
    return await _asked_of_topics(tx, found, now)


async def _asked_of_topics(
    tx: AsyncConnection, candidates: list[Candidate], now: datetime
) -> list[Candidate]:
    """The same, each with whether its topic is wanted at its address."""
    places = [
        (one.claimed.workspace, one.address)
        for one in candidates
        if one.campaign.topic_purpose is not None
    ]
    if not places:
        return candidates
    words = await preferences.words_at(tx, places)
    said = await objections.about(tx, places)
    return [
        replace(one, declined=_declined(one, words, said.get(one.claimed.workspace, ()), now))
        for one in candidates
    ]


def _declined(
    one: Candidate,
    words: Mapping[tuple[str, str], Words],
    said: Sequence[Objection],
    now: datetime,
) -> bool:
    purpose, state = one.campaign.topic_purpose, one.person.state
    if purpose is None or state is None:
        return False
    place = (one.claimed.workspace, one.address)
    known = Known(consents=state.consent, words=words.get(place, {}))
    own = one.person.profile_id
    return declined(known, one.address, purpose, now) or any(
        (no.address, no.purpose) == (one.address, purpose)
        and not (no.told and no.profile_id == own)
        for no in said
    )


async def _one_by_one(
    tx: AsyncConnection,
    candidates: list[Candidate],
    found: dict[str, Verdict],
    now: datetime,
    got: dict[tuple[str, str, str], str],
) -> None:
    """Refuse who shares an address with another, and what goes past a cap.

    What is let through counts for those behind it.
    """
    shared = await _shared(tx, candidates, now)
    uses = await _uses(tx, candidates, now)
    rivals = await _rivals(tx, candidates)
    for one in candidates:
        key, owner = one.claimed.send_key, one.person.profile_id
        spot = (one.claimed.workspace, one.campaign.campaign_id, one.address)
        is_others = bool(one.rules.once_per_address_days) and got.get(spot, owner) != owner
        refusal: Verdict | None
        if key in shared or is_others:
            refusal = same_address(one)
        else:
            ahead = rivals.get(key, ())
            refusal = capped(one, uses, now) or gives_way(one, uses, ahead, now)
        if refusal is not None:
            found[key] = refusal
            continue
        got[spot] = owner
        for cap in one.caps():
            uses[*one.owner, cap.id].append(now)


async def _shared(tx: AsyncConnection, candidates: list[Candidate], now: datetime) -> set[str]:
    """The send keys of those whose address has got the campaign through somebody else."""
    asked = [
        Shared(
            one.claimed.workspace,
            one.campaign.campaign_id,
            one.address,
            one.person.profile_id,
            one.claimed.send_key,
            one.rules.once_per_address_days,
        )
        for one in candidates
        if one.rules.once_per_address_days
    ]
    return await contacts.shared(tx, asked, now)


async def _rivals(
    tx: AsyncConnection, candidates: list[Candidate]
) -> Mapping[str, Sequence[Rivals]]:
    """By send key: what goes before it, of those that count for a cap."""
    bound = [one for one in candidates if any(one.caps())]
    asked = [
        Ahead(one.claimed.workspace, profile_id, one.campaign.priority, one.claimed.send_key)
        for one in bound
        for profile_id in {one.person.profile_id, one.claimed.profile_id}
    ]
    return await rivalry.ahead(tx, asked, [one.claimed.send_key for one in candidates])


async def _uses(tx: AsyncConnection, candidates: list[Candidate], now: datetime) -> Uses:
    """When each cap that one of them counts for was used, by the person."""
    asked: dict[tuple[str, str, str], Asked] = {}
    starts: dict[tuple[str, str, str], datetime] = {}
    for one in candidates:
        for cap in one.caps():
            place = (one.claimed.workspace, cap.id, one.clock.name)
            if place not in starts:
                starts[place] = one.counted_since(cap, now)
            asked[*one.owner, cap.id] = Asked(
                *one.owner, starts[place], cap.channel, cap.purpose, cap.at_most
            )
    times = await contacts.counted(tx, list(asked.values()))
    return dict(zip(asked, times, strict=True))
