"""What vendors post: believed by their signatures, then taken in as any other report.

A post is answered when what it says is committed. Told again it changes nothing.
"""

import secrets
from base64 import b64encode
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from rapport_campaign import metrics
from rapport_campaign.domain.signing_keys import SigningKeys
from rapport_campaign.domain.tokens import Token
from rapport_campaign.domain.vendors import READERS, Vendor, ses, standard
from rapport_campaign.domain.vendors.posts import Post, Secret, Told
from rapport_campaign.fetching import Certificates, FetchError
from rapport_campaign.handlers.ledger import count
from rapport_campaign.handlers.outcomes import Outcomes, place_of
from rapport_campaign.store import hooks as store
from rapport_campaign.store.hooks import Hook
from rapport_campaign.store.moves import Move
from rapport_common import clock, logging
from rapport_common.errors import (
    InvalidRequestError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

log = logging.get(__name__)

_SECRET_BYTES = 24
_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Taken:
    """How many reports of a post were about messages of ours and new, and how many were not."""

    taken: int
    ignored: int


def made(
    workspace: str, by: str, vendor: Vendor, given: Secret, keys: SigningKeys
) -> tuple[Hook, str]:
    """A new hook and its secret, which is kept sealed; InvalidRequestError for what is missing."""
    value = given.value
    if vendor == "standard" and not value:
        value = standard.PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    if vendor == "ses" and not given.topic:
        message = "Hooks of ses need `topic`, the ARN of the topic that SES reports to."
        raise InvalidRequestError(message, details={"field": "topic"})
    if vendor != "ses" and not value:
        message = f"Hooks of {vendor} need `secret`: {READERS[vendor].secret_is}."
        raise InvalidRequestError(message, details={"field": "secret"})
    hook_id = secrets.token_hex(_ID_BYTES)
    sealed = keys.sealed(_place(workspace, hook_id), value, secrets.token_bytes(NONCE_BYTES))
    return Hook(workspace, hook_id, vendor, sealed, given.topic, clock.now(), by), value


async def remove(tx: AsyncConnection, workspace: str, hook_id: str) -> None:
    """Take a hook away: its address is nobody's any more."""
    if not await store.remove(tx, workspace, hook_id):
        message = "There is no such hook."
        raise NotFoundError(message)


class Hooks:
    """Takes in posts; `keys`: under which secrets of hooks are kept."""

    def __init__(
        self,
        engine: AsyncEngine,
        outcomes: Outcomes,
        keys: SigningKeys,
        certificates: Certificates,
    ) -> None:
        self._engine = engine
        self._outcomes = outcomes
        self._keys = keys
        self._certificates = certificates

    async def post(self, token: Token, vendor: str, post: Post) -> Taken:
        """Take in a post to the address of a hook."""
        async with self._engine.begin() as tx:
            hook = await store.find(tx, token.workspace, token.send_key)
        if hook is None or hook.vendor != vendor:
            raise unknown_hook()
        told = await self._believed(hook, post)
        async with self._engine.begin() as tx:
            # In one order: two posts about the same messages wait for each other, and no more.
            ordered = sorted(told, key=lambda one: (one.said[0].key if one.said else "", one.mark))
            moved: list[Move] = []
            taken = [await self._take(tx, hook, one, moved) for one in ordered]
            await store.believed(tx, hook.workspace, hook.hook_id)
            await count(tx, moved)
        known = sum(taken)
        metrics.RETURNED.labels("webhook", "known").inc(known)
        metrics.RETURNED.labels("webhook", "unknown").inc(len(taken) - known)
        return Taken(known, len(taken) - known)

    async def _believed(self, hook: Hook, post: Post) -> list[Told]:
        reader = READERS[hook.vendor]
        try:
            if hook.vendor == "ses":
                post = replace(post, certificate=await self._certificate(post))
            refusal = reader.refusal(post, self._secret(hook))
            if refusal is not None:
                message = f"This post is not believed: {refusal}."
                raise UnauthorizedError(message, code="bad_signature")
            told = reader.told(post)
            url = ses.confirmation(post.body) if hook.vendor == "ses" else None
        except ValueError as error:
            message = f"The body is not what {hook.vendor} posts: {error}."
            raise InvalidRequestError(message) from error
        if url is not None:
            await self._confirm(url)
        return told

    async def _certificate(self, post: Post) -> bytes:
        url = ses.certificate_url(post.body)
        if url is None:
            message = "This post is not believed: SigningCertURL is not one of Amazon's."
            raise UnauthorizedError(message, code="bad_signature")
        try:
            return await self._certificates.of(url)
        except FetchError as error:
            message = f"The certificate of the signer can't be had ({error}); try again."
            raise UnavailableError(message) from error

    async def _confirm(self, url: str) -> None:
        try:
            await self._certificates.fetch(url)
        except FetchError as error:
            message = f"The subscription can't be confirmed ({error}); try again."
            raise UnavailableError(message) from error

    def _secret(self, hook: Hook) -> Secret:
        try:
            opened = self._keys.opened(_place(hook.workspace, hook.hook_id), hook.secret)
        except SealedSecretError as error:
            log.exception("a hook's secret can't be opened", hook=hook.hook_id)
            message = "This hook's secret can't be opened; its operator has to make another hook."
            raise UnavailableError(message) from error
        return Secret(opened, hook.topic)

    async def _take(self, tx: AsyncConnection, hook: Hook, told: Told, moved: list[Move]) -> bool:
        if told.stop is not None:
            return await self._outcomes.stop(tx, hook.workspace, told.stop, told.mark)
        place = await self._outcomes.place(tx, told.said)
        if place is None and told.provider_id:
            key = await store.delivered(tx, hook.workspace, hook.vendor, told.provider_id)
            place = place_of(hook.workspace, key) if key is not None else None
        if place is None or place.workspace != hook.workspace or told.report is None:
            return False
        return await self._outcomes.take(tx, place, told.report, "webhook", moved)


def unknown_hook() -> NotFoundError:
    """The same for every address that is not ours, whatever is wrong with it."""
    return NotFoundError("There is no such hook: `rapport hook list` shows those there are.")


def _place(workspace: str, hook_id: str) -> str:
    return f"hook/{workspace}/{hook_id}"
