"""What the rules of a workspace say of a message that the person allows.

The order is that of finality: what is never to be sent is told before what only waits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from rapport_campaign.domain.caps import Cap, Reached, reached, since
from rapport_campaign.domain.contact_rules import ContactRules, detractor_answer
from rapport_campaign.domain.facts import Facts
from rapport_campaign.domain.model import PROMOTION, Campaign, Claimed, Person, Purpose
from rapport_campaign.domain.permission import (
    CAPPED,
    DETRACTOR,
    GIVES_WAY,
    QUIET,
    SAME_ADDRESS,
    UNWANTED,
    Suppress,
    Verdict,
    Wait,
)
from rapport_campaign.domain.quiet_hours import next_open
from rapport_campaign.domain.zones import Clock

FIRST_WAY, LONGEST_WAY = 2.0, 600.0
"""Seconds for which a message gives way: ever longer, as the other may be far behind in its queue.
"""

Uses = dict[tuple[str, str, str], list[datetime]]
"""When a cap was used: by workspace, profile and the cap's id."""


class Rivals(NamedTuple):
    """Messages of campaigns of greater priority to the same person that are due and not here."""

    channel: str
    purpose: Purpose
    number: int
    priority: int
    """The greatest of theirs."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message of a campaign that may go by what the person allows.

    `declined`: the address, or somebody else there, wants nothing of the campaign's topic.
    """

    claimed: Claimed
    person: Person
    campaign: Campaign
    address: str
    rules: ContactRules
    clock: Clock
    declined: bool = False

    @property
    def owner(self) -> tuple[str, str]:
        """(workspace, profile id) of who gets it, after merges."""
        return self.claimed.workspace, self.person.profile_id

    def caps(self) -> Iterator[Cap]:
        """The caps that it counts for."""
        for cap in self.rules.caps:
            if cap.is_about(self.claimed.channel, self.claimed.purpose):
                yield cap

    def counted_since(self, cap: Cap, now: datetime) -> datetime:
        """From when on what the person was sent counts for a cap."""
        return since(cap.period, now, self.clock)


def in_turn(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those of greater priority first, else as they come."""
    return sorted(candidates, key=lambda one: -one.campaign.priority)


def by_itself(one: Candidate, now: datetime) -> Verdict | None:
    """What speaks against a message whatever else is sent; None when nothing does."""
    if one.claimed.purpose == PROMOTION and one.person.state is not None:
        found = detractor_answer(one.rules, one.person.state)
        if found is not None:
            return Suppress(DETRACTOR, Facts(found[0], more={"n": found[1]}))
    if one.declined:
        return Suppress(UNWANTED, Facts(one.campaign.topic or ""))
    return _quiet(one, now)


def _quiet(one: Candidate, now: datetime) -> Wait | None:
    own = one.campaign.quiet_hours
    windows = one.rules.quiet_hours if own is None else own
    open_at = next_open(now, one.clock.zone, windows) if windows else now
    if open_at <= now:
        return None
    more: dict[str, str | int] = {"zone": one.clock.name, "of_campaign": int(own is not None)}
    if one.clock.refused is not None:
        more["zone_refused"] = 1
    return Wait(QUIET, Facts(next_at=open_at, more=more), open_at)


def same_address(one: Candidate) -> Suppress:
    """Somebody else got the campaign there."""
    return Suppress(SAME_ADDRESS, Facts(more={"days": one.rules.once_per_address_days}))


def capped(
    one: Candidate, uses: Mapping[tuple[str, str, str], Sequence[datetime]], now: datetime
) -> Suppress | None:
    """The cap that holds longest, if one is used up."""
    found: Reached | None = None
    for cap in one.caps():
        used = reached(cap, uses.get((*one.owner, cap.id), ()), now, one.clock)
        if used is not None and (found is None or used.next_at > found.next_at):
            found = used
    if found is None:
        return None
    cap = found.cap
    more: dict[str, str | int] = {
        "at_most": cap.at_most,
        "period": cap.period.in_words(),
        "zone": one.clock.name,
    }
    return Suppress(CAPPED, Facts(cap.id, found.next_at, more))


def gives_way(
    one: Candidate,
    uses: Mapping[tuple[str, str, str], Sequence[datetime]],
    rivals: Sequence[Rivals],
    now: datetime,
) -> Wait | None:
    """Whether a cap leaves no room for a message when those that go first have gone.

    They may be suppressed for something else, so it waits, and is looked at again.
    """
    for cap in one.caps():
        ahead = [each for each in rivals if cap.is_about(each.channel, each.purpose)]
        taken = [now] * sum(each.number for each in ahead)
        if taken and reached(cap, [*uses.get((*one.owner, cap.id), ()), *taken], now, one.clock):
            seconds = min(FIRST_WAY * 2.0 ** min(one.claimed.waits, 20), LONGEST_WAY)
            more = {"priority": max(each.priority for each in ahead)}
            return Wait(GIVES_WAY, Facts(cap.id, more=more), now + timedelta(seconds=seconds))
    return None
