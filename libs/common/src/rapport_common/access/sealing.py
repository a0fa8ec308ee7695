"""Seals what is told of somebody, so that only who has the request's key can read it.

Anybody can seal to a public key. Once its private half is destroyed, nobody reads what is left,
on Kafka and in copies of a database alike.
"""

import zlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_NONCE = bytes(12)
"""Each piece has a key of its own, so no two share a nonce and a key."""


def new_key() -> tuple[bytes, bytes]:
    """(private, public): what opens, and what seals."""
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def seal(public: bytes, place: str, plain: bytes) -> bytes:
    """The bytes, packed and sealed for whoever has the private half; `place` says which they are.

    ValueError for what is no public key.
    """
    own = X25519PrivateKey.generate()
    shown = own.public_key().public_bytes_raw()
    shared = own.exchange(X25519PublicKey.from_public_bytes(public))
    key = _key(shared, shown, place)
    return shown + ChaCha20Poly1305(key).encrypt(_NONCE, zlib.compress(plain), place.encode())


def opened(private: bytes, place: str, sealed: bytes) -> bytes:
    """The bytes again; ValueError for what is of another place or key, or was changed."""
    shown, rest = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
    own = X25519PrivateKey.from_private_bytes(private)
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(shown))
        key = _key(shared, shown, place)
        return zlib.decompress(ChaCha20Poly1305(key).decrypt(_NONCE, rest, place.encode()))
    except Exception as error:  # InvalidTag and others have no common ancestor but this
        message = f"the piece {place} can't be opened"
        raise ValueError(message) from error


def place_of(request: str, service: str, number: int) -> str:
    """Which piece of which request it is: it can't be taken for another one."""
    return f"{request}/{service}/{number}"


def _key(shared: bytes, shown: bytes, place: str) -> bytes:
    about = b"rapport access " + shown + place.encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=about).derive(shared)
