"""HMAC of SHA-256 (RFC 2104), with what depends on the key alone made once.

The standard library looks its algorithm up and prepares the key at each call, which takes four
times as long as the rest; a mail has nine of them.
"""

import hashlib
from functools import lru_cache
from typing import Any

_BLOCK = 64
_INNER, _OUTER = (bytes(one ^ pad for one in range(256)) for pad in (0x36, 0x5C))


def mac(key: bytes, message: bytes) -> bytes:
    """The 32 bytes that only who has the key can make of a message."""
    begun = _begun(key)
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(message)
    outer.update(inner.digest())
    return bytes(outer.digest())


@lru_cache(maxsize=8)
def _begun(key: bytes) -> tuple[Any, Any]:
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return hashlib.sha256(block.translate(_INNER)), hashlib.sha256(block.translate(_OUTER))
