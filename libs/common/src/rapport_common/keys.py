"""Keys for one purpose each, derived from the installation's one secret."""

import hmac


def derive(secret: str, purpose: str) -> bytes:
    """A 32-byte key for `purpose`: its HMAC-SHA256 under the secret (NIST SP 800-108)."""
    return hmac.digest(secret.encode(), f"rapport/{purpose}".encode(), "sha256")
