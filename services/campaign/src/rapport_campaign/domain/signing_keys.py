"""The keys under which private keys of sender domains are kept, and the way back from there."""

import base64
import binascii
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from rapport_common.secret_keys import SealedSecretError, SecretKeys


class SigningKeys(SecretKeys):
    """Those of sender domains."""

    __slots__ = ()
    kind: ClassVar[str] = "sender domain"

    def private(self, place: str, kept: str) -> RSAPrivateKey | Ed25519PrivateKey:
        """A private key that was sealed at a place; SealedSecretError."""
        try:
            # It was made by us and can't have been changed since: a look at its primes would take
            # longer than a hundred signatures.
            found = load_der_private_key(
                base64.b64decode(self.opened(place, kept), validate=True),
                password=None,
                unsafe_skip_rsa_key_validation=True,
            )
        except (ValueError, binascii.Error) as error:
            message = "its key is not what was put there: rotate it"
            raise SealedSecretError(message) from error
        if not isinstance(found, RSAPrivateKey | Ed25519PrivateKey):
            message = "its key is of no kind that signs mails: rotate it"
            raise SealedSecretError(message)
        return found


def place_of(workspace: str, domain: str, selector: str) -> str:
    """Where a private key belongs."""
    return f"{workspace}/{domain}/{selector}"
