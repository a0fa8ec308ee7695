"""How posts are signed after Standard Webhooks 1.0.0.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

SECRET = "whsec_"  # noqa: S105 - what a secret begins with
SECRET_BYTES: Final = 32
"""The specification asks for 24 to 64."""


def new_secret(chance: bytes) -> str:
    """A secret of these bytes, in the form that receivers' libraries take."""
    return SECRET + base64.b64encode(chance).decode()


def signed(
    message_id: str, at: datetime, body: bytes, secrets: Sequence[str]
) -> list[tuple[str, str]]:
    """The headers of a post at `at`; a signature for each secret, the newest first."""
    seconds = str(int(at.timestamp()))
    content = b".".join((message_id.encode(), seconds.encode(), body))
    signatures = (
        base64.b64encode(hmac.digest(_key(one), content, hashlib.sha256)).decode()
        for one in secrets
    )
    return [
        ("webhook-id", message_id),
        ("webhook-timestamp", seconds),
        ("webhook-signature", " ".join(f"v1,{one}" for one in signatures)),
    ]


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET), validate=True)
    except binascii.Error as error:
        message = "a secret that is not in base64"
        raise ValueError(message) from error
