"""Secrets of webhooks are sealed before they are kept, and opened to sign."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar
from uuid import UUID

from rapport_common import logging
from rapport_common.secret_keys import NONCE_BYTES, SealedSecretError, SecretKeys

log = logging.get(__name__)


class Signed(Protocol):
    """A receiver, a dataclass, with secrets as they are kept: `secret`, and `former_secret`, which
    counts for a while.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def workspace(self) -> str:
        """Whose it is."""

    @property
    def webhook_id(self) -> UUID:
        """Its id in its workspace."""

    @property
    def former_until(self) -> datetime | None:
        """How long the former secret counts."""

    def secrets(self, now: datetime) -> list[str]:
        """What posts are signed with now, as it is kept, the newest first."""


Kept = TypeVar("Kept", bound=Signed)


class Sealer:
    """Seals and opens the secrets of a service's webhooks."""

    def __init__(self, keys: SecretKeys, place_of: Callable[[str, object], str]) -> None:
        """`place_of` (workspace, webhook): where a secret belongs; elsewhere it does not open."""
        self._keys = keys
        self._place_of = place_of

    @property
    def prefix(self) -> str:
        """How all begins that is sealed by the newest key."""
        return self._keys.prefix

    def sealed(self, to: Signed, secret: str) -> str:
        """A secret as it is kept with a webhook."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return self._keys.sealed(self._place_of(to.workspace, to.webhook_id), secret, nonce)

    def opened(self, to: Signed, now: datetime) -> list[str]:
        """What posts are signed with now, the newest first; SealedSecretError."""
        place = self._place_of(to.workspace, to.webhook_id)
        return [self._keys.opened(place, kept) for kept in to.secrets(now)]

    def anew(self, found: Iterable[Kept], now: datetime) -> Iterator[Kept]:
        """These with secrets sealed by the newest key, without secrets that count no more.

        Whose can't be opened is left out: they stay as they are.
        """
        for one in found:
            try:
                new, *former = self.opened(one, now)
            except SealedSecretError as error:
                log.warning("a webhook can't be signed", webhook=str(one.webhook_id), error=error)
                continue
            kept = [self.sealed(one, secret) for secret in former]
            yield replace(
                one,
                secret=self.sealed(one, new),
                former_secret=kept[0] if kept else None,
                former_until=one.former_until if kept else None,
            )
