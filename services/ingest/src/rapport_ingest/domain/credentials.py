"""Write keys and source ids: their forms, and how a key is kept."""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from rapport_common.errors import UnauthorizedError

_KEY = re.compile(r"rk_([0-9a-f]{12})_[0-9a-f]{32}")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
MAX_SLUG = 60


def write_key(key_id: str, secret: str) -> str:
    """The key as its owner gets it, once."""
    return f"rk_{key_id}_{secret}"


def key_id_of(key: str) -> str | None:
    """The public part of a write key; None when it can't be one of ours."""
    match = _KEY.fullmatch(key)
    return match[1] if match else None


def key_hash(pepper: bytes, key: str) -> bytes:
    """What is stored of a key: HMAC-SHA256 under a pepper that is not in the database."""
    return hmac.digest(pepper, key.encode(), "sha256")


def slug(name: str) -> str:
    """A source's id made from its name: `a-z0-9-`; a digest where a name has no Latin letters."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    found = _NOT_SLUG.sub("-", plain)[:MAX_SLUG].strip("-")
    return found or f"source-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def credential(headers: Mapping[bytes, bytes]) -> str | None:
    """The write key in a request's headers: Basic user, Bearer or X-Write-Key."""
    value = headers.get(b"authorization")
    if value and (found := _authorized(value)):
        return found
    return _sole_key(headers.get(b"x-write-key", b"").decode("latin-1").strip()) or None


def _sole_key(value: str) -> str:
    """Our key in Jitsu's form `id:secret`, which its SDK insists on: either part may be it."""
    if ":" not in value:
        return value
    return next((part for part in value.split(":") if _KEY.fullmatch(part)), value)


@lru_cache(maxsize=4096)
def _authorized(value: bytes) -> str | None:
    scheme, _, rest = value.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    return _basic_user(rest) if scheme.lower() == "basic" else None


def _basic_user(encoded: str) -> str | None:
    try:
        user, _, _password = (
            base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        )
    except ValueError as error:
        message = "The Basic credential is not base64 of `<write key>:`."
        raise UnauthorizedError(message) from error
    return user or None
