"""The keys under which secrets of webhooks are kept: what stands in the database shows none."""

from typing import ClassVar

from typing_extensions import override

from rapport_common import secret_keys
from rapport_common.outside.signed_posts import SECRET
from rapport_common.secret_keys import KEY_BYTES, NONCE_BYTES, SealedSecretError

__all__ = ["KEY_BYTES", "NONCE_BYTES", "SealedSecretError", "SecretKeys", "place_of"]


class SecretKeys(secret_keys.SecretKeys):
    """Those of webhooks."""

    __slots__ = ()
    kind: ClassVar[str] = "webhook"

    @override
    def opened(self, place: str, kept: str) -> str:
        """The secret; also one that was kept before any were sealed. SealedSecretError."""
        return kept if kept.startswith(SECRET) else super().opened(place, kept)


def place_of(workspace: str, webhook_id: object) -> str:
    """Where a secret belongs."""
    return f"{workspace}/{webhook_id}"
