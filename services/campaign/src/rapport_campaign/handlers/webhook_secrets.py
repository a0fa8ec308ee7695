"""Secrets of webhooks are sealed before they are kept, and opened to sign."""

import secrets
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign.domain.webhook_keys import WebhookKeys, place_of
from rapport_campaign.store import webhooks
from rapport_campaign.store.webhooks import Webhook
from rapport_common import logging
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

log = logging.get(__name__)

AT_ONCE = 500


def sealed(keys: WebhookKeys, one: Webhook, secret: str) -> str:
    """A secret as it is kept with a webhook."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return keys.sealed(place_of(one.workspace, one.webhook_id), secret, nonce)


def secrets_of(keys: WebhookKeys, one: Webhook, now: datetime) -> list[str]:
    """What posts are signed with now, the newest first; SealedSecretError."""
    place = place_of(one.workspace, one.webhook_id)
    return [keys.opened(place, kept) for kept in one.secrets(now)]


async def seal_anew(tx: AsyncConnection, keys: WebhookKeys, now: datetime) -> int:
    """Seal by the newest key what is kept plain or by another one, and forget secrets that count no
    more; how many webhooks. What can't be opened stays as it is.
    """
    changed = 0
    for one in await webhooks.sealed_otherwise(tx, keys.prefix, now, limit=AT_ONCE):
        try:
            new, *former = secrets_of(keys, one, now)
        except SealedSecretError as error:
            log.warning("a webhook can't be signed", webhook=str(one.webhook_id), error=error)
            continue
        kept = [sealed(keys, one, secret) for secret in former]
        anew = replace(
            one,
            secret=sealed(keys, one, new),
            former_secret=kept[0] if kept else None,
            former_until=one.former_until if kept else None,
        )
        await webhooks.keep_secrets(tx, anew)
        changed += 1
    return changed
