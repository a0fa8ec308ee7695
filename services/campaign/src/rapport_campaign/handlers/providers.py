"""What operators do with accounts of providers: add, change, remove, check and try them."""

import asyncio
import secrets as chance
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign.domain.accounts import (
    MOST_ACCOUNTS,
    CheckResult,
    Member,
    ProviderAccount,
    Standing,
)
from rapport_campaign.domain.breaker import Breaker
from rapport_campaign.domain.delivery import Outcome, said
from rapport_campaign.domain.provider_keys import ProviderKeys, place_of
from rapport_campaign.domain.providers import VENDORS, UnusableAccountError, completed, fields_of
from rapport_campaign.handlers.carrying import Carried, Carriers
from rapport_campaign.store import providers as store
from rapport_common import clock, logging
from rapport_common.db import is_retriable
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.outside.addresses import Network, UnusableUrlError, require_usable
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

log = logging.get(__name__)

SEAL_SECONDS = 60.0
AT_ONCE = 500
URLS = frozenset({"base_url", "url", "token_url", "status_callback"})


def settled(vendor: str, given: Mapping[str, str], own: Sequence[Network]) -> dict[str, str]:
    """The settings of an account, whole; InvalidRequestError names what does not do."""
    wanted = fields_of(VENDORS[vendor])
    try:
        found = completed(wanted, given)
    except UnusableAccountError as error:
        raise _unusable(f"settings.{error.place}", str(error)) from None
    for name in URLS & found.keys():
        try:
            if found[name]:
                require_usable(found[name], own)
        except UnusableUrlError as error:
            raise _unusable(f"settings.{name}", str(error)) from None
    return found


def sealed(
    keys: ProviderKeys, place: tuple[str, str], vendor: str, given: Mapping[str, str]
) -> str:
    """The secrets of an account as they are kept; `place`: its workspace and id."""
    try:
        found = completed(VENDORS[vendor].secrets, given)
    except UnusableAccountError as error:
        raise _unusable(f"secrets.{error.place}", str(error)) from None
    return keys.sealed_all(place_of(*place), found, chance.token_bytes(NONCE_BYTES))


async def require(
    tx: AsyncConnection, workspace: str, account_id: str, *, lock: bool = False
) -> Member:
    """An account of the workspace and how it stands; NotFoundError."""
    with suppress(ValueError):
        found = await store.find(tx, workspace, str(UUID(account_id)), lock=lock)
        if found is not None:
            return found
    message = f"There is no provider account {account_id!r} in this workspace."
    raise NotFoundError(message)


async def add(tx: AsyncConnection, one: ProviderAccount) -> None:
    """Keep a new account; ConflictError, with the id, where its name is taken."""
    await store.seize(tx, one.workspace)
    await _require_free(tx, one)
    if await store.number(tx, one.workspace) >= MOST_ACCOUNTS:
        message = f"A workspace has at most {MOST_ACCOUNTS} provider accounts: remove one."
        raise InvalidRequestError(message, details={"limit": MOST_ACCOUNTS})
    await store.add(tx, one)


async def change(
    tx: AsyncConnection,
    carriers: Carriers,
    found: Member,
    version: int,
    changes: Mapping[str, Any],
) -> Member:
    """An account (locked) with other values. ConflictError: it is at another version.

    `settings` and `secrets` are changed one by one, those that are not named stay. What may be
    mended by that is tried at once.
    """
    account, standing = found
    if account.version != version:
        message = f"The account is at version {account.version}: look at it again."
        raise ConflictError(message, details={"version": account.version})
    wanted = dict(changes)
    if "settings" in wanted:
        whole = {**account.settings, **wanted["settings"]}
        wanted["settings"] = settled(account.vendor, whole, carriers.http.own)
    if "secrets" in wanted:
        place = (account.workspace, account.account_id)
        kept = _opened(carriers, account)
        wanted["secrets"] = sealed(
            carriers.keys, place, account.vendor, {**kept, **wanted["secrets"]}
        )
    changed = replace(account, **wanted, version=version + 1, changed_at=clock.now())
    if changed.name != account.name:
        await store.seize(tx, account.workspace)
        await _require_free(tx, changed)
    await store.save(tx, changed)
    standing = replace(standing, breaker=Breaker())
    await store.stand(tx, account.workspace, account.account_id, standing)
    return changed, standing


async def checked(tx: AsyncConnection, workspace: str, account_id: str, outcome: Outcome) -> Member:
    """Keep what a provider said of an account. One that works is tried again at once."""
    account, standing = await require(tx, workspace, account_id, lock=True)
    result: CheckResult = "unanswered"
    if outcome.result == "sent":
        result = "works"
    elif outcome.fault == "account" or outcome.result == "failed":
        result = "refused"
    after = replace(
        standing,
        checked_at=clock.now(),
        check_result=result,
        check_reason=said(outcome.reason),
        breaker=Breaker() if result == "works" else standing.breaker,
    )
    await store.stand(tx, workspace, account_id, after)
    return account, after


async def asked(carriers: Carriers, account: ProviderAccount) -> Outcome:
    """What a provider says of an account."""
    try:
        return await carriers.adapter(account).check()
    except SealedSecretError as error:
        return Outcome("released", str(error), fault="account")


async def tried(tx: AsyncConnection, carriers: Carriers, carried: Carried) -> None:
    """Keep what became of a message that an operator has sent by one account."""
    account = carried.account
    _, standing = await require(tx, account.workspace, account.account_id, lock=True)
    counted = _counted(standing)
    await store.stand(tx, account.workspace, account.account_id, counted)
    await carriers.note(tx, [carried])


class Keeper:
    """The worker that seals by the newest key of ours what is kept by another one."""

    name = "provider keeper"

    def __init__(self, engine: AsyncEngine, carriers: Carriers) -> None:
        """`carriers` are those of the process."""
        self._engine = engine
        self.carriers = carriers

    async def run(self, stop: asyncio.Event) -> None:
        """Once a minute, until `stop`; connections to providers are closed then."""
        try:
            while not stop.is_set():
                try:
                    async with self._engine.begin() as tx:
                        await self.turn(tx)
                except Exception as error:
                    if not is_retriable(error):
                        raise
                    log.warning("secrets not looked at", error=error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(SEAL_SECONDS):
                        await stop.wait()
        finally:
            await self.carriers.http.close()

    async def turn(self, tx: AsyncConnection) -> int:
        """How many were sealed anew. What can't be opened stays as it is, and is told."""
        keys, changed = self.carriers.keys, 0
        for one in await store.sealed_otherwise(tx, keys.prefix, AT_ONCE):
            place = place_of(one.workspace, one.account_id)
            try:
                plain = keys.opened(place, one.secrets)
            except SealedSecretError as error:
                log.warning("a provider account can't be used", id=one.account_id, error=error)
                continue
            kept = keys.sealed(place, plain, chance.token_bytes(NONCE_BYTES))
            await store.keep_secrets(tx, replace(one, secrets=kept))
            changed += 1
        return changed


def _counted(standing: Standing) -> Standing:
    today = clock.now().date()
    used = standing.used if standing.day == today else 0
    return replace(standing, day=today, used=used + 1)


def _opened(carriers: Carriers, account: ProviderAccount) -> Mapping[str, str]:
    """The secrets; none where they can't be opened any more, so that all have to be given."""
    try:
        return carriers.secrets(account)
    except SealedSecretError:
        return {}


async def _require_free(tx: AsyncConnection, one: ProviderAccount) -> None:
    taken = await store.named(tx, one.workspace, one.name)
    if taken is not None:
        message = f"There is a provider account {one.name!r} already: choose another name."
        raise ConflictError(message, details={"id": taken})


def _unusable(place: str, message: str) -> InvalidRequestError:
    told = f"{place} {message}"
    return InvalidRequestError(told, details={"problems": [{"path": place, "message": message}]})
