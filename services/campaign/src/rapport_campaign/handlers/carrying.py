"""Carries messages by the accounts of their workspace: who may take them, how, and what came of it.

Whoever sends asks `admit` in a transaction how many messages may go by which account, hands each
over by `carry` outside of any, and writes by `note` what became of them.
"""

import random
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.channels.contract import Adapter
from rapport_campaign.channels.http import Http
from rapport_campaign.channels.making import ASKED, adapter
from rapport_campaign.domain.accounts import Bill, ProviderAccount, bill, noted, shared
from rapport_campaign.domain.delivery import Outcome
from rapport_campaign.domain.inquiries import GRACE, digest_of
from rapport_campaign.domain.parcels import Channel, Parcel
from rapport_campaign.domain.provider_keys import ProviderKeys, place_of
from rapport_campaign.settings import Settings
from rapport_campaign.store import inquiries
from rapport_campaign.store import providers as store
from rapport_campaign.store.inquiries import Inquiry
from rapport_campaign.store.providers import Delivery
from rapport_common import clock, logging
from rapport_common.secret_keys import SealedSecretError

log = logging.get(__name__)

MOST_ADAPTERS = 500
"""Of all workspaces; each keeps its provider's token."""
NO_ACCOUNT_SECONDS = 60.0
NO_ACCOUNT = "no account of a provider sends by this channel"


@dataclass(frozen=True, slots=True)
class Admission:
    """The accounts that may take messages now, and how many each; `wait` in seconds if none may.

    `reason`: why none may. `is_for_ever`: it will be so until somebody adds another account.
    """

    granted: Sequence[tuple[ProviderAccount, int]]
    wait: float = 0.0
    reason: str | None = None
    is_for_ever: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a message by an account; `at` is when that was known."""

    account: ProviderAccount
    parcel: Parcel
    outcome: Outcome
    bill: Bill
    at: datetime


class Carriers:
    """The adapters of a process, made when they are needed, kept while the account is the same."""

    def __init__(self, http: Http, keys: ProviderKeys) -> None:
        """`keys`: under which secrets of accounts are kept."""
        self.http = http
        self.keys = keys
        self._adapters: OrderedDict[str, tuple[int, Adapter]] = OrderedDict()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a process, with one HTTP client for all of them."""
        return cls(Http(settings.own_networks()), settings.provider_keys())

    async def admit(
        self,
        tx: AsyncConnection,
        workspace: str,
        channel: Channel,
        vendor: str | None,
        wanted: int,
    ) -> Admission:
        """How many of `wanted` messages may go by which account of a workspace; `vendor`: the only
        one that takes their addresses, None if all of the channel do.

        What is granted counts as sent at once: all processes share one pace and one day.
        """
        members = await store.of_channel(tx, workspace, channel, vendor)
        if not members:
            return await _nobody(tx, workspace, channel, vendor)
        now = clock.now()
        shares = shared(members, wanted, now.timestamp(), now.date())
        for account_id, standing in shares.standings.items():
            await store.stand(tx, workspace, account_id, standing)
        granted = [
            (account, shares.granted[account.account_id])
            for account, _ in members
            if account.account_id in shares.granted
        ]
        reasons = [standing.breaker.reason for _, standing in members]
        reason = next((one for one in reasons if one), None) or "the account's pace"
        return Admission(granted, shares.wait, None if granted else reason)

    async def noting(
        self, tx: AsyncConnection, going: Sequence[tuple[ProviderAccount, Parcel]]
    ) -> None:
        """Note what is handed over now to providers that can be asked about it later: before it is,
        and committed, so that it is known by whom it went whatever dies.
        """
        now = clock.now()
        await inquiries.add(
            tx,
            [
                Inquiry(
                    account.workspace,
                    parcel.message_id,
                    account.account_id,
                    digest_of(parcel.content),
                    now,
                    now + GRACE,
                )
                for account, parcel in going
                if account.vendor in ASKED
            ],
        )

    async def carry(self, account: ProviderAccount, parcel: Parcel) -> Carried:
        """Hand a message over. It raises nothing that a provider could bring about."""
        try:
            outcome = await self.adapter(account).send(parcel)
        except SealedSecretError as error:
            outcome = Outcome("released", str(error), fault="account")
        charged = bill(account, parcel.address, parcel.content)
        return Carried(account, parcel, outcome, charged, clock.now())

    async def note(self, tx: AsyncConnection, carried: Sequence[Carried]) -> None:
        """Write what was taken, and how the accounts stand now."""
        await store.deliver(tx, [_delivery(one) for one in carried if one.outcome.result == "sent"])
        known = [
            (one.account.workspace, one.parcel.message_id)
            for one in carried
            if one.outcome.result != "uncertain" and one.account.vendor in ASKED
        ]
        await inquiries.forget(tx, known)
        by_account: defaultdict[tuple[str, str], list[Carried]] = defaultdict(list)
        for one in carried:
            by_account[one.account.workspace, one.account.account_id].append(one)
        # In one order, so that two processes never wait for each other.
        for (workspace, account_id), some in sorted(by_account.items(), key=lambda one: one[0]):
            found = await store.find(tx, workspace, account_id, lock=True)
            if found is None:
                continue
            _, standing = found
            was_closed = standing.breaker.is_closed
            for one in sorted(some, key=lambda each: each.at):
                jitter = random.random()  # noqa: S311 - spreads what is tried again, guards nothing
                standing = noted(standing, one.outcome, one.at.timestamp(), jitter)
            await store.stand(tx, workspace, account_id, standing)
            if was_closed and not standing.breaker.is_closed:
                reason = standing.breaker.reason
                log.warning("provider left alone", account=found[0].name, reason=reason)

    def adapter(self, account: ProviderAccount) -> Adapter:
        """The adapter of an account as it is; SealedSecretError."""
        known = self._adapters.get(account.account_id)
        if known is not None and known[0] == account.version:
            self._adapters.move_to_end(account.account_id)
            return known[1]
        secrets = self.secrets(account)
        made = adapter(self.http, account.vendor, account.settings, secrets)
        self._adapters[account.account_id] = (account.version, made)
        self._adapters.move_to_end(account.account_id)
        while len(self._adapters) > MOST_ADAPTERS:
            self._adapters.popitem(last=False)
        return made

    def secrets(self, account: ProviderAccount) -> Mapping[str, str]:
        """What an account is known by to its provider; SealedSecretError."""
        place = place_of(account.workspace, account.account_id)
        return self.keys.opened_all(place, account.secrets)


async def _nobody(
    tx: AsyncConnection, workspace: str, channel: Channel, vendor: str | None
) -> Admission:
    """No account takes these now. They wait for one, unless those that there are take others."""
    vendors = await store.vendors_of(tx, workspace, channel)
    if vendor is not None and vendors and vendor not in vendors:
        reason = f"no account here sends to such a device ({vendor} does)"
        return Admission((), reason=reason, is_for_ever=True)
    return Admission((), NO_ACCOUNT_SECONDS, NO_ACCOUNT)


def _delivery(one: Carried) -> Delivery:
    return Delivery(
        one.account.workspace,
        one.parcel.message_id,
        one.account.account_id,
        one.account.vendor,
        one.outcome.provider_id,
        one.bill,
        one.at,
    )
