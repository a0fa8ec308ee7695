"""The keys under which secrets of accounts with providers are kept."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from rapport_common.secret_keys import SealedSecretError, SecretKeys


class ProviderKeys(SecretKeys):
    """Those of accounts with providers."""

    __slots__ = ()
    kind: ClassVar[str] = "provider account"

    def sealed_all(self, place: str, secrets: Mapping[str, str], nonce: bytes) -> str:
        """All secrets of an account as they are kept."""
        return self.sealed(place, msgspec.json.encode(dict(secrets)).decode(), nonce)

    def opened_all(self, place: str, kept: str) -> dict[str, str]:
        """The same by their names; SealedSecretError."""
        try:
            return msgspec.json.decode(self.opened(place, kept), type=dict[str, str])
        except msgspec.MsgspecError as error:
            message = "its secrets are not what was put there: set them again"
            raise SealedSecretError(message) from error


def place_of(workspace: str, account_id: str) -> str:
    """Where the secrets of an account belong."""
    return f"{workspace}/provider/{account_id}"
