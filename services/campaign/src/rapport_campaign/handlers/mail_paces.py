"""Holds mails to the pace of the domain they go to and to the warm-up of the one they come from, in
the transaction that marks them `sending` (ADR 82).

What may not go yet is parked in its lane, where no claim sees it, and let go when there is room.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain import lanes as rules_of_lanes
from rapport_campaign.domain.addresses import mailbox
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.lanes import Standing, Wanting, choose, coming, count_by_lane, room
from rapport_campaign.domain.mail_paces import Lane, MailPaces, domain_of, lanes, lanes_of
from rapport_campaign.domain.model import Campaign, Claimed, MessageKey
from rapport_campaign.domain.permission import Send, Verdict
from rapport_campaign.store import lanes as store
from rapport_campaign.store import mail_paces
from rapport_campaign.store.lanes import LaneKey
from rapport_common import clock, logging
from rapport_common.events.contact import EMAIL_CHANNEL

log = logging.get(__name__)

WAITS_FOR = "the pace "
KNOWN_SECONDS = 1.0
"""For so long rules are believed that were read."""


@dataclass(frozen=True, slots=True)
class Paced:
    """What a claim may go on with; `standings` of the lanes, which are held until the commit."""

    left: list[Claimed]
    now: datetime
    parked: int = 0
    wanting: list[Wanting] = field(default_factory=list)
    standings: dict[LaneKey, Standing] = field(default_factory=dict)
    bounds: dict[LaneKey, Lane] = field(default_factory=dict)

    def counting(self) -> dict[MessageKey, str]:
        """In which lane each counts while it is on its way."""
        return {one.key: one.lanes[0] for one in self.wanting if one.lanes}


class Paces:
    """The rules of all workspaces, as they were a moment ago, and what follows from them."""

    def __init__(
        self, service_from: str = "", seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """`service_from`: from what address mails come that are of no campaign."""
        self._service_domain = _sender_domain(service_from)
        self._seconds = seconds
        self._known: int | None = None
        self._until = float("-inf")
        self._rules: dict[str, MailPaces] = {}
        self._lanes: dict[str, dict[str, Lane]] = {}

    async def learn(self, tx: AsyncConnection) -> None:
        """Read the rules again, if there are new ones; at most once a second it asks."""
        if self._seconds() < self._until:
            return
        number = await mail_paces.number(tx)
        if number != self._known:
            self._rules = await mail_paces.current(tx) if number else {}
            self._lanes = {one: lanes(rules) for one, rules in self._rules.items()}
            self._known = number
        self._until = self._seconds() + KNOWN_SECONDS

    def lanes_of(self, workspace: str) -> Mapping[str, Lane]:
        """All lanes of a workspace, by name."""
        return self._lanes.get(workspace, {})

    def names_of(self, one: Claimed, address: str, sender: str | None) -> Sequence[str]:
        """The lanes of a mail to an address."""
        if one.channel != EMAIL_CHANNEL or one.workspace not in self._rules:
            return ()
        return self._names(one.workspace, address, sender)

    async def hold(
        self,
        tx: AsyncConnection,
        claimed: Sequence[Claimed],
        verdicts: Mapping[str, Verdict],
        held: Mapping[tuple[str, str], Campaign],
    ) -> Paced:
        """Park what its lanes do not let go yet; the others may, as far as they are concerned."""
        await self.learn(tx)
        now = clock.now()
        wanting = [
            Wanting(one.key, tuple(names), one.kind != "entry", one.lane is not None)
            for one in claimed
            if one.workspace in self._rules
            and (names := self._named(one, verdicts[one.send_key], held))
        ]
        if not wanting:
            return Paced(list(claimed), now)
        keys = sorted({(one.key[0], name) for one in wanting for name in one.lanes})
        # Before anything is awaited: others read the rules anew meanwhile.
        bounds = {key: self._lanes[key[0]][key[1]] for key in keys}
        standings = await store.hold(tx, keys)
        used = await store.used(tx, keys, [one.key[1] for one in wanting])
        # After the locks: who had them may have taken slots of later than we began.
        now = clock.now()
        parked: dict[MessageKey, str] = {}
        for workspace in {key[0] for key in keys}:
            here = [key for key in keys if key[0] == workspace]
            rooms = {
                key[1]: room(bounds[key], standings[key], now, used[key][0], len(wanting))
                for key in here
            }
            own = [one for one in wanting if one.key[0] == workspace]
            parked |= choose(own, rooms, {key[1]: used[key][1] for key in here})[1]
        if parked:
            await self._park(tx, parked, wanting)
        left = [one for one in claimed if one.key not in parked]
        return Paced(left, now, len(parked), wanting, standings, bounds)

    async def take(self, tx: AsyncConnection, paced: Paced, going: Iterable[MessageKey]) -> None:
        """Take the slots of those that go."""
        keys, taken = set(going), dict[LaneKey, Standing]()
        for workspace in {one.key[0] for one in paced.wanting}:
            own = [one for one in paced.wanting if one.key[0] == workspace]
            for name, number in count_by_lane(own, keys).items():
                key = (workspace, name)
                taken[key] = rules_of_lanes.taken(
                    paced.bounds[key], paced.standings[key], paced.now, number
                )
        if taken:
            await store.write(tx, taken)

    async def slow(
        self, tx: AsyncConnection, answers: Iterable[tuple[Claimed, str, str | None, Outcome]]
    ) -> None:
        """Slow the lanes of mails that a server refused because there were too many.

        `answers`: message, its address, what its campaign sends from, what came of it.
        """
        found = {
            (one.workspace, name): lane
            for one, address, sender, outcome in answers
            if one.channel == EMAIL_CHANNEL
            and one.workspace in self._rules
            and rules_of_lanes.says_too_many(outcome)
            for name in self._names(one.workspace, address, sender)
            if (lane := self._lanes[one.workspace][name]).warmup is None
        }
        if not found:
            return
        now, after = clock.now(), dict[LaneKey, Standing]()
        for key, standing in (await store.hold(tx, found)).items():
            slowed = rules_of_lanes.slowed(standing, found[key].slow_down, now)
            if slowed != standing:
                after[key] = slowed
                metrics.PACES_SLOWED.inc()
                log.warning(
                    "too many mails, slower now", workspace=key[0], lane=key[1], share=slowed.share
                )
        if after:
            await store.write(tx, after)

    async def let_go(self, tx: AsyncConnection, key: LaneKey) -> int:
        """Let some of those that wait in a lane be claimed, as it has room; how many.

        All of a lane that no rule makes any more.
        """
        await self.learn(tx)
        lane = self._lanes.get(key[0], {}).get(key[1])
        if lane is None:
            await store.free(tx, key)
            return 0
        standing = (await store.hold(tx, [key]))[key]
        before = await store.let_go(tx, key)
        return await store.let(tx, key, coming(lane, standing, clock.now(), before))

    async def _park(
        self, tx: AsyncConnection, parked: Mapping[MessageKey, str], wanting: Sequence[Wanting]
    ) -> None:
        are_express = {one.key for one in wanting if one.express}
        where = {
            key: store.express(lane) if key in are_express else lane for key, lane in parked.items()
        }
        await store.park(tx, where, WAITS_FOR)
        for lane in parked.values():
            metrics.PACED.labels(lane.partition(":")[0]).inc()

    def _named(
        self, one: Claimed, verdict: Verdict, held: Mapping[tuple[str, str], Campaign]
    ) -> Sequence[str]:
        if not isinstance(verdict, Send):
            return ()
        campaign = held.get((one.workspace, one.campaign_id or ""))
        sender = campaign.from_address if campaign else None
        return self.names_of(one, verdict.address, sender)

    def _names(self, workspace: str, address: str, sender: str | None) -> tuple[str, ...]:
        domain = self._service_domain if sender is None else _sender_domain(sender)
        return tuple(lanes_of(self._rules[workspace], domain, domain_of(address)))


def _sender_domain(address: str) -> str:
    return domain_of(mailbox(address)[1]) if address else ""
