"""Signatures of mails by their sender's domain (DKIM: RFC 6376; Ed25519: RFC 8463).

Relaxed in headers and body, the whole body, SHA-256. Fields that decide how a mail is read are
signed once more often than they are there, so that none can be added (RFC 6376, 8.15); of these are
the two that one-click unsubscribes need (RFC 8058, 4).
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from rapport_campaign.domain.sender_domains import Algorithm

FIELD = "DKIM-Signature"

CLOSED = (
    *("from", "to", "cc", "reply-to", "subject", "date", "message-id"),
    *("list-unsubscribe", "list-unsubscribe-post", "mime-version", "content-type"),
)
"""No field of these names can be added to a mail, nor be changed in it or taken away."""
SIGNED = (
    *("list-id", "in-reply-to", "references", "auto-submitted", "content-transfer-encoding"),
    *("precedence", "feedback-id"),
)
"""What there is of these can't be changed."""

_MAX_LINE = 76
_WIDTH = 72
"""Characters of a signature on one line."""
_END = b"\r\n"
_HASHED = SHA256()
_PADDING = PKCS1v15()


@dataclass(frozen=True, slots=True)
class Key:
    """What a domain signs with: the public half stands at `<selector>._domainkey.<domain>`."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        """Its kind, as the record calls it."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    def signature(self, data: bytes) -> bytes:
        """Of RSA: PKCS#1 v1.5. Ed25519 signs the hash of the data (RFC 8463, 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, _PADDING, _HASHED)
        return self.private.sign(hashlib.sha256(data).digest())


def signed(mail: bytes, keys: Sequence[Key], at: datetime) -> bytes:
    """A mail, whose lines end with CRLF, behind a signature of each key; `at` is told in them.

    A mail with a signature stays as it is: none is signed twice.
    """
    head, _, body = mail.partition(_END + _END)
    fields = _fields(head)
    if not keys or FIELD.lower().encode() in fields:
        return mail
    names = _names(fields)
    hashed = hashlib.sha256(relaxed_body(body)).digest()
    covered = b"".join(_covered(names, fields))
    return b"".join([*(_signature(one, names, hashed, covered, at) for one in keys), mail])


def relaxed_body(body: bytes) -> bytes:
    """The body as it is hashed: blanks are one, none ends a line, no empty lines at the end (RFC
    6376, 3.4.4).
    """
    plain = _single(body).replace(b" \r\n", _END).removesuffix(b" ").rstrip(_END)
    return plain + _END if plain else b""


def relaxed_field(name: bytes, value: bytes) -> bytes:
    """A field as it is signed, with its line end (RFC 6376, 3.4.2)."""
    return name.strip(b" \t").lower() + b":" + _single(value.replace(_END, b"")).strip(b" ") + _END


def _single(text: bytes) -> bytes:
    """The text with one blank for each run of them; without a regular expression it takes a tenth
    of the time.
    """
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _fields(head: bytes) -> dict[bytes, list[bytes]]:
    """The canonical fields by their name, those of one name from the last to the first."""
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for field in reversed(unfolded.split(_END)):
        name, colon, value = field.partition(b":")
        if colon:
            found[name.strip(b" \t").lower()].append(relaxed_field(name, value))
    return dict(found)


def _names(fields: dict[bytes, list[bytes]]) -> tuple[str, ...]:
    """What `h=` lists: each name as often as it is there, and the closed ones once more."""
    listed: list[str] = []
    for name in (*CLOSED, *SIGNED):
        listed += [name] * (len(fields.get(name.encode(), ())) + (name in CLOSED))
    return tuple(listed)


def _covered(names: Iterable[str], fields: dict[bytes, list[bytes]]) -> Iterable[bytes]:
    """The fields that names stand for, from the last of each upwards (RFC 6376, 5.4.2)."""
    left = {name: iter(values) for name, values in fields.items()}
    for name in names:
        yield next(left.get(name.encode(), iter(())), b"")


def _signature(
    key: Key, names: tuple[str, ...], hashed: bytes, covered: bytes, at: datetime
) -> bytes:
    opening, relaxed = _opening(key.algorithm, key.domain, key.selector, names)
    rest = f"\r\n t={int(at.timestamp())};\r\n bh={_text(hashed)};\r\n b=".encode()
    value = _text(key.signature(covered + relaxed + rest.replace(_END, b"")))
    lines = [value[start : start + _WIDTH] for start in range(0, len(value), _WIDTH)]
    return opening + rest + "\r\n ".join(lines).encode() + _END


@lru_cache(maxsize=1024)
def _opening(
    algorithm: Algorithm, domain: str, selector: str, names: tuple[str, ...]
) -> tuple[bytes, bytes]:
    """What all signatures of a key over such fields begin with: as it is sent, as it is signed."""
    lines = [
        f" v=1; a={algorithm}-sha256; c=relaxed/relaxed;",
        f" d={domain};",
        f" s={selector};",
        *_broken(f" h={':'.join(names)};", ":"),
    ]
    value = "\r\n".join(lines).encode()
    relaxed = relaxed_field(FIELD.encode(), value).removesuffix(_END)
    return f"{FIELD}:".encode() + value, relaxed


def _broken(text: str, after: str) -> list[str]:
    """A long tag in lines, each of which ends after such a character."""
    lines = [""]
    for part in text.replace(after, f"{after}\n").split("\n"):
        if len(lines[-1]) + len(part) > _MAX_LINE:
            lines.append(" ")
        lines[-1] += part
    return lines


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
