"""The keys under which a service keeps secrets: what stands in the database shows none.

What is kept says by which key it was sealed, and opens only where it was put: whoever may write to
the table can't move a secret to another place.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""By chance, for each secret: 96 bits, as AES-GCM (NIST SP 800-38D) takes them."""

_MARK: Final = "aes:"
_ID_DIGITS: Final = 12


class SealedSecretError(Exception):
    """A secret can't be opened: its key is not among those there are, or it is not what was put
    there.
    """


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """Keys of 32 bytes, the newest first: that one seals, all open."""

    keys: tuple[bytes, ...]

    kind: ClassVar[str] = "secret"
    """Whose secrets they keep: a key of one kind has another name than the same key of another."""

    @classmethod
    def read(cls, setting: str) -> Self:
        """Keys in hexadecimal digits with commas between; ValueError for what are none."""
        keys = tuple(bytes.fromhex(one) for one in setting.split(","))
        if any(len(one) != KEY_BYTES for one in keys):
            message = f"a key of {cls.kind}s is {2 * KEY_BYTES} hexadecimal digits"
            raise ValueError(message)
        return cls(keys)

    @property
    def prefix(self) -> str:
        """How all begins that is sealed by the newest key."""
        return f"{_MARK}{self._id(self.keys[0])}:"

    def sealed(self, place: str, secret: str, nonce: bytes) -> str:
        """A secret as it is kept at a place; no two have the same `nonce`."""
        sealed = AESGCM(self.keys[0]).encrypt(nonce, secret.encode(), place.encode())
        return self.prefix + base64.b64encode(nonce + sealed).decode()

    def opened(self, place: str, kept: str) -> str:
        """The secret that was sealed at a place; SealedSecretError."""
        mark, _, rest = kept.removeprefix(_MARK).partition(":")
        for key in self.keys:
            if self._id(key) == mark:
                return _open(key, place, rest)
        message = f"its secret was sealed by a key that is not there any more ({mark}): rotate it"
        raise SealedSecretError(message)

    def _id(self, key: bytes) -> str:
        """By what a key is known, and not found."""
        told = f"rapport {self.kind} key ".encode()
        return hashlib.sha256(told + key).hexdigest()[:_ID_DIGITS]


def _open(key: bytes, place: str, rest: str) -> str:
    try:
        both = base64.b64decode(rest, validate=True)
        nonce, sealed = both[:NONCE_BYTES], both[NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, sealed, place.encode()).decode()
    except (ValueError, InvalidTag) as error:
        message = "its secret is not what was put there: rotate it"
        raise SealedSecretError(message) from error
