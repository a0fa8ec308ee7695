"""The bytes of a mail (RFC 5322, 2045, 2369, 8058).

Written by hand: the standard library takes 3 ms for a mail of 4 KB, this 0.1 ms, and it breaks
a long List-Unsubscribe into encoded words, which no mailbox provider reads.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache

from rapport_campaign.render import headers


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is bytes. `from_address` is `Name <address>`, `to_address` bare."""

    from_address: str
    to_address: str
    subject: str
    html: str
    text: str
    date: datetime
    message_id: str
    headers: Mapping[str, str] = field(default_factory=dict)
    amp: str | None = None


def mail_bytes(letter: Letter) -> bytes:
    """The mail with CRLF line ends; text and HTML as alternatives, both quoted-printable.

    An AMP part is between them: programs that don't know it show the last part that they know, and
    some of them the last one whatever it is.
    """
    # "=_" can't occur in quoted-printable text, so this boundary can't either.
    boundary = f"=_{letter.message_id.partition('@')[0][:40]}"
    opening = f"\r\n--{boundary}\r\n".encode()
    return b"".join(
        [
            headers.sender("From", letter.from_address),
            headers.structured("To", letter.to_address),
            headers.unstructured("Subject", headers.clean_subject(letter.subject)),
            _date(letter.date),
            headers.structured("Message-ID", f"<{letter.message_id}>"),
            *(headers.structured(name, value) for name, value in letter.headers.items()),
            b"MIME-Version: 1.0\r\n",
            f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n'.encode(),
            opening,
            _part("plain", letter.text),
            opening,
            *((_part("x-amp-html", letter.amp), opening) if letter.amp else ()),
            _part("html", letter.html),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


@lru_cache(maxsize=16)
def _date(date: datetime) -> bytes:
    """All mails of a batch have the same one."""
    return headers.structured("Date", format_datetime(date))


def _part(subtype: str, text: str) -> bytes:
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    body = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    quoted = binascii.b2a_qp(body, quotetabs=False, istext=True)
    return head.encode() + quoted.replace(b"\n", b"\r\n")
