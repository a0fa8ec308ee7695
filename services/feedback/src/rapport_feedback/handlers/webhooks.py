"""What operators do with webhooks: make, change, rotate their secrets, look, try again."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
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
from rapport_feedback.domain.announcements import Announced
from rapport_feedback.domain.webhook_keys import WebhookKeys, place_of
from rapport_feedback.store import posts, webhooks
from rapport_feedback.store.webhooks import Webhook

MOST = 20
"""Webhooks of a workspace: each event is written once for each that wants it."""

MOST_REPLAYED = 10_000


@dataclass(frozen=True, slots=True)
class Means:
    """What an installation gives webhooks: keys under which their secrets are kept, and the private
    networks (`own`) that they may lead to.
    """

    keys: WebhookKeys
    own: Sequence[Network] = ()

    @property
    def sealer(self) -> Sealer:
        """Seals and opens their secrets."""
        return Sealer(self.keys, place_of)


@dataclass(frozen=True, slots=True)
class Shown:
    """A webhook with its secret, which is shown this once."""

    webhook: Webhook
    secret: str


async def create(
    tx: AsyncConnection,
    caller: Operator,
    url: str,
    events: Sequence[Announced],
    means: Means,
) -> Shown:
    """Make one, which is told of what happens from now on; ConflictError for an address that there
    is already.
    """
    _check(url, means.own)
    await webhooks.seize(tx, caller.workspace)
    known = await webhooks.listed(tx, caller.workspace, limit=MOST)
    _require_free(known, url, None)
    if len(known) >= MOST:
        message = f"A workspace has at most {MOST} webhooks. Archive one, or widen one."
        raise ConflictError(message, code="too_many")
    made = Webhook(
        workspace=caller.workspace,
        webhook_id=uuid7(),
        url=url,
        events=list(dict.fromkeys(events)),
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
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    made = replace(made, secret=means.sealer.sealed(made, secret))
    await webhooks.insert(tx, made)
    return Shown(made, secret)


async def change(
    tx: AsyncConnection,
    workspace: str,
    webhook_id: UUID,
    changed: dict[str, object],
    own: Sequence[Network],
) -> Webhook:
    """Change the fields that are given (`url`, `events`, `active`)."""
    await webhooks.seize(tx, workspace)
    old = await require(tx, workspace, webhook_id, lock=True)
    new = replace(old, **changed)  # type: ignore[arg-type] # the model has their types
    if new.active:
        new = replace(new, reason=None)
    _check(new.url, own)
    _require_free(await webhooks.listed(tx, workspace, limit=MOST), new.url, webhook_id)
    await webhooks.change(tx, new)
    return await require(tx, workspace, webhook_id)


async def rotate(
    tx: AsyncConnection, sealer: Sealer, workspace: str, webhook_id: UUID, overlap: timedelta
) -> Shown:
    """Give it a new secret; for `overlap` posts are signed with both.

    ConflictError while they are after the last time, unless `overlap` is nothing: the receiver may
    have the one before, as when somebody asks again who has had no answer. One that can't be
    opened any more is given up.
    """
    old, now = await require(tx, workspace, webhook_id, lock=True), clock.now()
    if overlap and old.former_until is not None and now < old.former_until:
        until = old.former_until.isoformat(timespec="seconds")
        message = (
            f"It has a new secret already, and until {until} posts are signed with the one before, "
            "too: another would end that. Ask with overlap_hours 0 if the secrets have leaked."
        )
        raise ConflictError(message, code="rotated_already", details={"former_until": until})
    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    new = replace(old, secret=sealer.sealed(old, secret), former_secret=None, former_until=None)
    with suppress(SealedSecretError):
        kept = sealer.sealed(old, sealer.opened(old, now)[0])
        new = replace(new, former_secret=kept, former_until=now + overlap)
    await webhooks.change(tx, new)
    return Shown(await require(tx, workspace, webhook_id), secret)


async def archive(tx: AsyncConnection, workspace: str, webhook_id: UUID) -> None:
    """End one: nothing is posted any more, what waits is dropped, its secrets are forgotten."""
    await require(tx, workspace, webhook_id, lock=True)
    await webhooks.archive(tx, workspace, webhook_id, clock.now())


async def replay(
    tx: AsyncConnection, workspace: str, webhook_id: UUID, post_id: UUID | None = None
) -> int:
    """Post again what was given up, the oldest first, or one post that has ended; how many."""
    await require(tx, workspace, webhook_id)
    found = await posts.replay(
        tx, workspace, webhook_id, clock.now(), post_id=post_id, limit=MOST_REPLAYED
    )
    if post_id is not None and not found:
        message = f"Webhook {webhook_id} has no such post that was delivered or given up."
        raise NotFoundError(message)
    return found


async def require(
    tx: AsyncConnection, workspace: str, webhook_id: UUID, *, lock: bool = False
) -> Webhook:
    """The webhook, or NotFoundError."""
    found = await webhooks.find(tx, workspace, webhook_id, lock=lock)
    if found is None:
        message = f"There is no webhook {webhook_id}. GET /v1/webhooks lists them."
        raise NotFoundError(message)
    return found


def _check(url: str, own: Sequence[Network]) -> None:
    try:
        require_usable(url, own)
    except UnusableUrlError as error:
        raise InvalidRequestError(f"url: {error}.", details={"path": "body.url"}) from error


def _require_free(known: Sequence[Webhook], url: str, own: UUID | None) -> None:
    for one in known:
        if one.url == url and one.webhook_id != own:
            message = f"There is a webhook to {url} already. Change that one."
            raise ConflictError(message, details={"id": str(one.webhook_id)})
