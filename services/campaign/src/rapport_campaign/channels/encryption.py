"""The body of a web push message, which only the browser can read: RFC 8291, RFC 8188."""

import base64
import binascii
import hmac
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MOST_BYTES = 3993
"""Of a message: RFC 8291, 4, lets a push service refuse more than 4096 with what is around it."""
_RECORD = 4096
_SALT, _AUTH = 16, 16


class SubscriptionError(ValueError):
    """What a browser has given is no subscription; its text says why."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What `PushSubscription.toJSON()` gives: where it is pushed to, and for whose eyes."""

    endpoint: str
    key: bytes
    auth: bytes


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Told(msgspec.Struct):
    endpoint: str
    keys: _Keys


def subscription(text: str) -> Subscription:
    """Read one; SubscriptionError."""
    try:
        told = msgspec.json.decode(text, type=_Told)
        urlsplit(told.endpoint)
        found = Subscription(told.endpoint, _bytes(told.keys.p256dh), _bytes(told.keys.auth))
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), found.key)
    except (msgspec.MsgspecError, ValueError, binascii.Error) as error:
        message = "no subscription of a browser: {endpoint, keys: {p256dh, auth}}"
        raise SubscriptionError(message) from error
    if len(found.auth) != _AUTH:
        message = f"the secret of a subscription has {_AUTH} bytes"
        raise SubscriptionError(message)
    return found


def sealed(
    one: Subscription,
    message: bytes,
    private: EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of the request; `private` and `salt` are new each time, but in a test."""
    private = private or generate_private_key(SECP256R1())
    salt = salt or os.urandom(_SALT)
    theirs = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), one.key)
    ours = point(private)
    shared = _extracted(one.auth, private.exchange(ECDH(), theirs))
    secret = _expanded(shared, b"WebPush: info\0" + one.key + ours, 32)
    keyed = _extracted(salt, secret)
    key = _expanded(keyed, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _expanded(keyed, b"Content-Encoding: nonce\0", 12)
    # 2: the last record, and there is no other.
    body = AESGCM(key).encrypt(nonce, message + b"\2", None)
    return salt + _RECORD.to_bytes(4, "big") + len(ours).to_bytes(1, "big") + ours + body


def point(private: EllipticCurvePrivateKey) -> bytes:
    """The public half, uncompressed (65 bytes)."""
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def unpadded(raw: bytes) -> str:
    """Base64 as URLs have it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _extracted(salt: bytes, secret: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, 2.2)."""
    return hmac.digest(salt, secret, "sha256")


def _expanded(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (2.3), of one block."""
    return hmac.digest(key, info + b"\1", "sha256")[:length]
