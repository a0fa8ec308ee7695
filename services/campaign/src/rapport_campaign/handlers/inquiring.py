"""Asks providers what became of messages of which nobody knows whether they were taken.

Only a record that can be nothing else settles a message: not to be found proves nothing, since no
provider says how far behind its lists are. So no message is ever sent again by what is found here.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain import breaker, pacing
from rapport_campaign.domain.accounts import Bill, ProviderAccount
from rapport_campaign.domain.delivery import Outcome, said
from rapport_campaign.domain.inquiries import (
    GRACE,
    Finding,
    Question,
    Record,
    first_new,
    is_over,
    next_time,
)
from rapport_campaign.handlers.carrying import Carriers
from rapport_campaign.handlers.messages import Meant, settle
from rapport_campaign.store import inquiries as store
from rapport_campaign.store import ledger, providers
from rapport_campaign.store.coupons import take_back
from rapport_campaign.store.inquiries import Inquiry
from rapport_campaign.store.providers import Delivery
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.publisher import Publisher
from rapport_common.secret_keys import SealedSecretError

log = logging.get(__name__)

INTERVAL_SECONDS = 5.0
AT_ONCE = 100
"""Messages of one look, all accounts together."""
LEASE = timedelta(minutes=2)
BY = "provider query"
_UNPRICED = Bill(1, None, None)


@dataclass(frozen=True, slots=True)
class _Asking:
    inquiry: Inquiry
    account: ProviderAccount
    question: Question


class Inquirer:
    """The worker that asks; any number of processes do."""

    name = "inquiries"

    def __init__(
        self,
        engine: AsyncEngine,
        carriers: Carriers,
        publisher: Publisher,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`carriers` are those of the process."""
        self._engine = engine
        self._carriers = carriers
        self._publisher = publisher
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look, wait, again, until `stop`."""
        while not stop.is_set():
            try:
                await self.turn()
            except Exception as error:
                if not is_retriable(error):
                    raise
                log.warning("providers not asked, trying again", error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stop.wait()

    async def turn(self) -> int:
        """Ask about what is due; how many were settled."""
        now = self._now()
        async with self._engine.begin() as tx:
            found = await store.due(tx, now, now + LEASE, AT_ONCE)
            asking = await self._questions(tx, found, now)
        findings = await asyncio.gather(*(self._ask(one) for one in asking))
        number = 0
        for one, finding in zip(asking, findings, strict=True):
            async with self._engine.begin() as tx:
                number += await self._heed(tx, one, finding)
        return number

    async def _questions(
        self, tx: AsyncConnection, found: Sequence[Inquiry], now: datetime
    ) -> list[_Asking]:
        """What can be asked now: what is settled, or has nobody to ask, is forgotten."""
        by_account: defaultdict[tuple[str, str], list[tuple[Inquiry, str]]] = defaultdict(list)
        over = []
        for one in found:
            row = await ledger.find(tx, one.workspace, one.message_id)
            if is_over(one.at, now):
                over.append(one.key)
            elif row is not None and row.state in {"planned", "sending"}:
                await store.put_off(tx, one, now + GRACE, one.asked)
            elif row is None or row.state != "uncertain" or row.to_address is None:
                over.append(one.key)
            else:
                by_account[one.workspace, one.account_id].append((one, row.to_address))
        asking = []
        for (workspace, account_id), some in sorted(by_account.items()):
            # In one order, as those do that carry; locked until the commit.
            member = await providers.find(tx, workspace, account_id, lock=True)
            if member is None or not self._can(member[0]):
                over += [one.key for one, _ in some]
                continue
            account, standing = member
            grant = pacing.grant(account.pace, standing.free_at, now.timestamp(), len(some))
            count = grant.count if standing.breaker.is_closed else 0
            if count:
                paced = replace(standing, free_at=grant.free_at)
                await providers.stand(tx, workspace, account_id, paced)
            for one, address in some[:count]:
                question = Question(one.message_id, address, one.at, one.digest)
                asking.append(_Asking(one, account, question))
            for one, _ in some[count:]:
                await store.put_off(tx, one, now + LEASE, one.asked)
        await store.forget(tx, over)
        return asking

    def _can(self, account: ProviderAccount) -> bool:
        try:
            return self._carriers.adapter(account).asks
        except SealedSecretError:
            return False

    async def _ask(self, one: _Asking) -> Finding:
        try:
            return await self._carriers.adapter(one.account).ask(one.question)
        except SealedSecretError as error:
            return Finding(reason=str(error), fault="account")

    async def _heed(self, tx: AsyncConnection, one: _Asking, finding: Finding) -> int:
        """Settle a message by what was found; or ask again later, if nothing was."""
        inquiry, account = one.inquiry, one.account
        if finding.fault is not None:
            await self._blame(tx, account, finding)
            await store.put_off(tx, inquiry, self._now() + LEASE, inquiry.asked)
            return 0
        # One after the other: a record is of one message only.
        await providers.find(tx, account.workspace, account.account_id, lock=True)
        ids = [each.provider_id for each in finding.records if each.provider_id]
        known = await store.known(tx, account.workspace, account.vendor, ids, inquiry.message_id)
        record = first_new(finding, known)
        if record is None:
            again = next_time(inquiry.asked + 1, self._now())
            if again is None:
                await store.forget(tx, [inquiry.key])
            else:
                await store.put_off(tx, inquiry, again, inquiry.asked + 1)
            return 0
        return await self._settle(tx, one, record)

    async def _settle(self, tx: AsyncConnection, one: _Asking, record: Record) -> int:
        inquiry, account = one.inquiry, one.account
        named = f" as {record.provider_id}" if record.provider_id else ""
        why = f"{BY}: {account.vendor} ({account.name}) has it{named}"
        if record.failed:
            why = f"{BY}: {account.vendor} ({account.name}) could not deliver it: {record.reason}"
        settled = await settle(
            tx,
            inquiry.workspace,
            Meant(send_keys=[inquiry.message_id]),
            state="failed" if record.failed else "sent",
            reason=said(why) or BY,
            publisher=self._publisher,
        )
        await store.forget(tx, [inquiry.key])
        if not settled:
            return 0
        if record.failed:
            await take_back(tx, [inquiry.key])
        place = (inquiry.workspace, inquiry.message_id, account.account_id, account.vendor)
        name = record.provider_id or None
        await providers.deliver(tx, [Delivery(*place, name, _UNPRICED, inquiry.at)])
        log.info("settled by asking its provider", message=inquiry.message_id, failed=record.failed)
        return 1

    async def _blame(self, tx: AsyncConnection, account: ProviderAccount, finding: Finding) -> None:
        """A provider that can't be asked can't be sent by, either."""
        member = await providers.find(tx, account.workspace, account.account_id, lock=True)
        if member is None:
            return
        standing = member[1]
        outcome = Outcome("retry", said(finding.reason), fault=finding.fault)
        after = breaker.after(standing.breaker, outcome, self._now().timestamp(), 0.5)
        place = (account.workspace, account.account_id)
        await providers.stand(tx, *place, replace(standing, breaker=after))
