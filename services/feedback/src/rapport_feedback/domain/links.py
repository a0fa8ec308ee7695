"""The tokens in survey links: an invitation's id that nobody can guess or alter."""

import base64
import binascii
import hmac
from uuid import UUID

ID_BYTES = 16
# With the id 33 bytes, which Base64 writes without padding: a "=" at the end gets lost in mails.
MAC_BYTES = 17


ANSWER = b"answer"
"""What else a token may be for: going on with an answer that is nobody's."""


def sign(key: bytes, invitation_id: UUID, purpose: bytes = b"") -> str:
    """The token of an invitation: id and HMAC-SHA256, cut to 136 bits, as URL-safe Base64."""
    mac = _mac(key, invitation_id.bytes, purpose)
    return base64.urlsafe_b64encode(invitation_id.bytes + mac).decode()


def read(key: bytes, token: str, purpose: bytes = b"") -> UUID | None:
    """The invitation a token names; None unless we made it, for this, to the last bit."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(raw[ID_BYTES:], _mac(key, raw[:ID_BYTES], purpose)):
        return None
    invitation_id = UUID(bytes=raw[:ID_BYTES])
    # The decoder also takes "+" for "-": only the one spelling that we give out counts.
    return invitation_id if sign(key, invitation_id, purpose) == token else None


def _mac(key: bytes, raw: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, raw + purpose, "sha256")[:MAC_BYTES]
