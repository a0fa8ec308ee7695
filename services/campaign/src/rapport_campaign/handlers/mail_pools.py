"""Holds mails to the pool of servers that their workspace's rules assign them to (ADR 86).

A pool that is away holds its own mails and no others: its campaigns are no queues for a claim, and
what comes through the queue of express messages waits, without an attempt.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.addresses import mailbox
from rapport_campaign.domain.mail_paces import domain_of
from rapport_campaign.domain.mail_pools import NO_RULES, MailPools, class_of
from rapport_campaign.domain.mail_servers import DEFAULT_POOL
from rapport_campaign.domain.model import Campaign, Claimed
from rapport_campaign.domain.permission import Send, Verdict, Wait
from rapport_campaign.store import mail_pools as store
from rapport_common.events.contact import EMAIL_CHANNEL

KNOWN_SECONDS = 1.0
"""For so long rules are believed that were read."""
HELD = timedelta(seconds=10)
"""So much later who waits for a pool is looked at again."""


def away(pool: str) -> str:
    """The reason of a mail whose pool can't be talked to, or is no pool of this process."""
    return f"the mail servers of pool {pool} are away"


class Pools:
    """Which pools there are, and the rules of all workspaces as they were a moment ago."""

    def __init__(
        self,
        names: Collection[str] = (DEFAULT_POOL,),
        service_from: str = "",
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`names`: the pools of this process; `service_from`: who mails of no campaign are from."""
        self._names = frozenset(names)
        self._service_from = service_from
        self._seconds = seconds
        self._known: int | None = None
        self._until = float("-inf")
        self._rules: Mapping[str, MailPools] = {}

    async def learn(self, tx: AsyncConnection) -> None:
        """Read the rules again, if there are new ones; at most once a second it asks."""
        if self._seconds() < self._until:
            return
        number = await store.number(tx)
        if number != self._known:
            self._rules = await store.current(tx) if number else {}
            self._known = number
        self._until = self._seconds() + KNOWN_SECONDS

    def of(self, workspace: str, campaign: Campaign | None) -> str:
        """The pool of a mail; `campaign` is the one that it is of."""
        rules = self._rules.get(workspace, NO_RULES)
        if campaign is None:
            return rules.pool(_domain(self._service_from), class_of(None))
        return rules.pool(_domain(campaign.from_address), class_of(campaign.purpose))

    async def closed(self, tx: AsyncConnection, gone: Collection[str]) -> list[tuple[str, str]]:
        """The campaigns (workspace, id) whose pool is one of `gone`, or none that there is."""
        await self.learn(tx)
        if not gone and not self._unknown():
            return []
        open_ = self._names - set(gone)
        found = []
        for one in await store.running(tx):
            rules = self._rules.get(one.workspace, NO_RULES)
            if rules.pool(_domain(one.from_address), class_of(one.purpose)) not in open_:
                found.append((one.workspace, one.campaign_id))
        return found

    def hold(
        self,
        claimed: Sequence[Claimed],
        verdicts: dict[str, Verdict],
        held: Mapping[tuple[str, str], Campaign],
        *,
        gone: Collection[str],
        now: datetime,
    ) -> None:
        """Let those wait that could go but for their pool."""
        if not gone and not self._unknown():
            return
        open_ = self._names - set(gone)
        for one in claimed:
            if one.channel != EMAIL_CHANNEL or not isinstance(verdicts[one.send_key], Send):
                continue
            pool = self.of(one.workspace, held.get((one.workspace, one.campaign_id or "")))
            if pool not in open_:
                verdicts[one.send_key] = Wait(away(pool), until=now + HELD)

    def _unknown(self) -> bool:
        return any(
            one.pool not in self._names for rules in self._rules.values() for one in rules.rules
        )


def _domain(address: str) -> str:
    return domain_of(mailbox(address)[1]) if address else ""
