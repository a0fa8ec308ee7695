"""Signs mails with the keys of their workspace, and keeps these sealed by the newest key of ours.

Keys are read in the transaction that claims mails, and again when they are `FRESH_SECONDS` old: so
each replica heeds a change by then. A private key is opened once, and is in this process only: the
one that renders templates never has it.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from rapport_campaign import metrics
from rapport_campaign.domain.sender_domains import signers
from rapport_campaign.domain.signing_keys import SigningKeys, place_of
from rapport_campaign.render import dkim
from rapport_campaign.render.compose import Mail
from rapport_campaign.render.dkim import Key
from rapport_campaign.store import sender_domains as store
from rapport_campaign.store.sender_domains import KeptKey
from rapport_common import clock, logging
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError

log = logging.get(__name__)

FRESH_SECONDS = 2.0
SEAL_SECONDS = 60.0
MOST_WORKSPACES = 1000
MOST_KEYS = 2000
"""Opened ones, of all workspaces: some 2 KB each."""
AT_ONCE = 500

Opened = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys of a workspace by domain, as they were read at an instant of the loop's clock."""

    read_at: float
    keys: dict[str, list[Key]]


class Signer:
    """Knows the keys of the workspaces that it signs for, so many and for so long at most."""

    def __init__(self, keys: SigningKeys, now: Callable[[], float] = time.monotonic) -> None:
        """`keys`: under which private keys are kept; `now` counts seconds."""
        self._keys = keys
        self._now = now
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._opened: OrderedDict[str, Opened | None] = OrderedDict()
        self._seal_at = now()

    async def learn(self, tx: AsyncConnection, workspaces: Iterable[str]) -> None:
        """Read the keys of workspaces that are not known, or no more for sure."""
        now = self._now()
        asked = {one for one in workspaces if not self._is_fresh(one, now)}
        if not asked:
            return
        found = await store.signing(tx, asked)
        for workspace in sorted(asked):
            keys: dict[str, list[Key]] = {}
            for kept in found.get(workspace, ()):
                private = self._open(kept)
                if private is not None:
                    key = Key(kept.domain, kept.selector, private)
                    keys.setdefault(kept.domain, []).append(key)
            self._known[workspace] = _Known(now, keys)
            self._known.move_to_end(workspace)
        while len(self._known) > max(MOST_WORKSPACES, len(asked)):
            self._known.popitem(last=False)

    def signed(self, workspace: str, mail: Mail) -> Mail:
        """The mail, signed when its sender is at a verified domain of the workspace, or below one.

        Takes a millisecond of the processor, most of which is RSA.
        """
        known = self._known.get(workspace)
        domain = signers(known.keys, mail.author or mail.sender) if known and known.keys else None
        if known is None or domain is None:
            metrics.SIGNED.labels("no").inc()
            return mail
        metrics.SIGNED.labels("yes").inc()
        return replace(mail, data=dkim.signed(mail.data, known.keys[domain], clock.now()))

    async def seal_anew(self, tx: AsyncConnection) -> int:
        """Once a minute: seal by the newest key of ours what is kept by another one; how many.

        What can't be opened stays as it is, and is counted.
        """
        if self._now() < self._seal_at:
            return 0
        self._seal_at = self._now() + SEAL_SECONDS
        changed = lost = 0
        for one in await store.sealed_otherwise(tx, self._keys.prefix, AT_ONCE):
            place = _place(one)
            try:
                private = self._keys.opened(place, one.private)
            except SealedSecretError as error:
                lost += 1
                log.warning("a sender domain can't sign", domain=one.domain, error=error)
                continue
            nonce = secrets.token_bytes(NONCE_BYTES)
            await store.keep_private(
                tx, replace(one, private=self._keys.sealed(place, private, nonce))
            )
            changed += 1
        metrics.UNOPENED.set(lost)
        return changed

    def _is_fresh(self, workspace: str, now: float) -> bool:
        known = self._known.get(workspace)
        return known is not None and now - known.read_at < FRESH_SECONDS

    def _open(self, kept: KeptKey) -> Opened | None:
        """A private key, or None for one that can't be opened; what was opened once is known."""
        place = _place(kept)
        name = f"{place}\n{kept.private}"
        if name not in self._opened:
            try:
                self._opened[name] = self._keys.private(place, kept.private)
            except SealedSecretError as error:
                log.warning("a sender domain can't sign", domain=kept.domain, error=error)
                self._opened[name] = None
            while len(self._opened) > MOST_KEYS:
                self._opened.popitem(last=False)
        self._opened.move_to_end(name)
        return self._opened[name]


def _place(kept: KeptKey) -> str:
    return place_of(kept.workspace, kept.domain, kept.selector)
