"""Signs final receipts: JWTs (RFC 7519) with Ed25519, which anybody can check by the public key."""

import base64
from typing import Any

from joserfc import jwt
from joserfc.jwk import OKPKey

_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of a private key (RFC 8410, section 7)."""

SEED = 32


class Signer:
    """Holds the private key."""

    def __init__(self, seed: bytes) -> None:
        packed = base64.b64encode(_ED25519 + seed[:SEED]).decode()
        pem = f"-----BEGIN PRIVATE KEY-----\n{packed}\n-----END PRIVATE KEY-----\n"
        self._key = OKPKey.import_key(pem)

    def sign(self, claims: dict[str, Any]) -> str:
        """The claims as a signed token."""
        header = {"alg": "Ed25519", "kid": self._key.thumbprint(), "typ": "erasure+jwt"}
        return jwt.encode(header, claims, self._key, algorithms=["Ed25519"])

    def public(self) -> dict[str, Any]:
        """The public half, as a JWK."""
        return dict(self._key.as_dict(private=False, use="sig", kid=self._key.thumbprint()))
