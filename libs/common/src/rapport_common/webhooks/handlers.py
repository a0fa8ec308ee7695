"""What operators do with webhooks: make, change, rotate their secrets, look, try again."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Generic
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_common import clock
from rapport_common.auth import Operator
from rapport_common.errors import ConflictError, InvalidRequestError, NotFoundError
from rapport_common.ids import uuid7
from rapport_common.outside.addresses import Network, UnusableUrlError, require_usable
from rapport_common.outside.sealing import Sealer
from rapport_common.outside.signed_posts import SECRET_BYTES, new_secret
from rapport_common.secret_keys import SealedSecretError
from rapport_common.webhooks.records import Webhook
from rapport_common.webhooks.store import WebhookStore
from rapport_common.webhooks.terms import Terms, Wants

MOST = 20
"""Webhooks of a workspace: each thing is written once for each that wants to hear of it."""

MOST_REPLAYED = 10_000


@dataclass(frozen=True, slots=True)
class Means:
    """What an installation gives webhooks: who seals their secrets, and the private networks
    (`own`) that they may lead to.
    """

    sealer: Sealer
    own: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A webhook with its secret, which is shown this once."""

    webhook: Webhook
    secret: str


class Webhooks(Generic[Wants]):
    """What operators of one service do with its webhooks."""

    def __init__(self, store: WebhookStore, terms: Terms[Wants], means: Means) -> None:
        self.store = store
        self.terms = terms
        self._means = means

    async def create(self, tx: AsyncConnection, caller: Operator, url: str, wants: Wants) -> Shown:
        """Make one, which is told of what happens from now on; ConflictError for an address that
        there is already.
        """
        await self._check(tx, caller.workspace, url, wants)
        await self.store.seize(tx, caller.workspace)
        known = await self.store.listed(tx, caller.workspace, limit=MOST)
        _require_free(known, url, None)
        if len(known) >= MOST:
            message = f"A workspace has at most {MOST} webhooks. Archive one, or widen one."
            raise ConflictError(message, code="too_many")
        secret = new_secret(secrets.token_bytes(SECRET_BYTES))
        made = _fresh(caller, url, self.terms.kept(wants))
        made = replace(made, secret=self._means.sealer.sealed(made, secret))
        await self.store.insert(tx, made)
        return Shown(made, secret)

    async def change(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, changed: Mapping[str, Any]
    ) -> Webhook:
        """Change the fields that are given: `url`, `active`, and those of what is wanted."""
        await self.store.seize(tx, workspace)
        old = await self.require(tx, workspace, webhook_id, lock=True)
        wanted = {name: changed[name] for name in changed if name in self.terms.wants.model_fields}
        wants = self.terms.wants.model_validate({**old.wants, **wanted})
        own = {name: changed[name] for name in changed if name not in wanted}
        new = replace(old, **own, wants=self.terms.kept(wants))
        if new.active:
            new = replace(new, reason=None)
        await self._check(tx, workspace, new.url, wants)
        _require_free(await self.store.listed(tx, workspace, limit=MOST), new.url, webhook_id)
        return await self.store.change(tx, new)

    async def rotate(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, overlap: timedelta
    ) -> Shown:
        """Give it a new secret; for `overlap` posts are signed with both.

        ConflictError while they are after the last time, unless `overlap` is nothing: the receiver
        may have the one before, as when somebody asks again who has had no answer. One that can't
        be opened any more is given up.
        """
        old, now = await self.require(tx, workspace, webhook_id, lock=True), clock.now()
        if overlap and old.former_until is not None and now < old.former_until:
            until = old.former_until.isoformat(timespec="seconds")
            message = (
                f"It has a new secret already, and until {until} posts are signed with the one "
                "before, too: another would end that. Ask with overlap_hours 0 if the secrets have "
                "leaked."
            )
            raise ConflictError(message, code="rotated_already", details={"former_until": until})
        sealer, secret = self._means.sealer, new_secret(secrets.token_bytes(SECRET_BYTES))
        new = replace(old, secret=sealer.sealed(old, secret), former_secret=None, former_until=None)
        with suppress(SealedSecretError):
            kept = sealer.sealed(old, sealer.opened(old, now)[0])
            new = replace(new, former_secret=kept, former_until=now + overlap)
        return Shown(await self.store.change(tx, new), secret)

    async def archive(self, tx: AsyncConnection, workspace: str, webhook_id: UUID) -> None:
        """End one: nothing is posted any more, what waits is dropped, its secrets are forgotten."""
        await self.require(tx, workspace, webhook_id, lock=True)
        await self.store.archive(tx, workspace, webhook_id, clock.now())

    async def replay(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, post_id: UUID | None = None
    ) -> int:
        """Post again what was given up, the oldest first, or one post that has ended; how many."""
        await self.require(tx, workspace, webhook_id)
        found = await self.store.posts.replay(
            tx, workspace, webhook_id, clock.now(), post_id=post_id, limit=MOST_REPLAYED
        )
        if post_id is not None and not found:
            message = f"Webhook {webhook_id} has no such post that was delivered or given up."
            raise NotFoundError(message)
        return found

    async def require(
        self, tx: AsyncConnection, workspace: str, webhook_id: UUID, *, lock: bool = False
    ) -> Webhook:
        """The webhook, or NotFoundError."""
        found = await self.store.find(tx, workspace, webhook_id, lock=lock)
        if found is None:
            message = f"There is no webhook {webhook_id}. GET /v1/webhooks lists them."
            raise NotFoundError(message)
        return found

    async def _check(self, tx: AsyncConnection, workspace: str, url: str, wants: Wants) -> None:
        try:
            require_usable(url, self._means.own)
        except UnusableUrlError as error:
            raise InvalidRequestError(f"url: {error}.", details={"path": "body.url"}) from error
        await self.terms.check(tx, workspace, wants)


def _fresh(caller: Operator, url: str, wants: Mapping[str, Any]) -> Webhook:
    return Webhook(
        workspace=caller.workspace,
        webhook_id=uuid7(),
        url=url,
        wants=wants,
        active=True,
        reason=None,
        secret="",
        former_secret=None,
        former_until=None,
        failures=0,
        failing_since=None,
        paused_until=None,
        succeeded_at=None,
        failed_at=None,
        created_at=clock.now(),
        created_by=caller.subject,
    )


def _require_free(known: Sequence[Webhook], url: str, own: UUID | None) -> None:
    for one in known:
        if one.url == url and one.webhook_id != own:
            message = f"There is a webhook to {url} already. Change that one."
            raise ConflictError(message, details={"id": str(one.webhook_id)})
