"""What is said for one mail: MAIL, RCPT, and the body as it goes over the wire."""

import re
from dataclasses import dataclass

from rapport_campaign.smtp.extensions import Offers

MAX_ADDRESS = 320
"""Bytes: 64 of a local part, 255 of a domain (RFC 5321 §4.5.3.1)."""

# What would end the address, the path or the command, or hide where it ends. Quoted local parts
# with blanks or brackets are no addresses here.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029<>]")
_LINE_END = re.compile(rb"\r\n|\r|\n")


class UnsendableError(Exception):
    """This server can't be given this mail, today or later."""


@dataclass(eq=False, slots=True)
class Letter:
    """A mail and its envelope; `sender` may be empty. `suspect`: a connection has ended on it."""

    sender: str
    recipient: str
    data: bytes
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """The lines for a letter; `special`: MAIL asks for what only this mail needs."""

    mail: bytes
    rcpt: bytes
    body: bytes
    special: bool


def worded(letter: Letter, offers: Offers) -> Wording:
    """How a letter is said to a server that offers this.

    SIZE is that of the mail (RFC 1870), without the dots that are only on the wire. Raises
    UnsendableError.
    """
    sender, recipient = _address(letter.sender), _address(letter.recipient)
    if not recipient:
        raise UnsendableError("the address can't be used: it is empty")
    data = with_line_ends(letter.data)
    if 0 < offers.size < len(data):
        raise UnsendableError(f"too big: {len(data)} bytes, the server takes {offers.size}")
    utf8 = not (sender.isascii() and recipient.isascii())
    if utf8 and not offers.utf8:
        raise UnsendableError(
            "the address can't be used: the server does not take addresses outside ASCII"
        )
    eight_bit = not data.isascii()
    if eight_bit and not (offers.eight_bit or offers.utf8):
        raise UnsendableError("the server takes no 8-bit mails")
    size = b" SIZE=%d" % len(data) if offers.has_size else b""
    # RFC 6531 §3.6: a server of SMTPUTF8 knows BODY as well.
    body = b" BODY=8BITMIME" if eight_bit else b""
    return Wording(
        mail=b"MAIL FROM:<%b>%b%b%b\r\n" % (sender, size, body, b" SMTPUTF8" if utf8 else b""),
        rcpt=b"RCPT TO:<%b>\r\n" % recipient,
        body=stuffed(data),
        special=eight_bit or utf8,
    )


def with_line_ends(data: bytes) -> bytes:
    """With CRLF as the only line end, the last one too: others end a mail early somewhere."""
    others = data.replace(b"\r\n", b"")  # the quickest way to see whether there are others
    if b"\n" in others or b"\r" in others:
        data = _LINE_END.sub(b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def stuffed(data: bytes) -> bytes:
    """The body with its end: a dot before each dot that begins a line (RFC 5321 §4.5.2)."""
    dot = b"." if data.startswith(b".") else b""
    return b"%b%b.\r\n" % (dot, data.replace(b"\r\n.", b"\r\n.."))


def _address(address: str) -> bytes:
    found = _FORBIDDEN.search(address)
    if found is not None:
        raise UnsendableError(f"the address can't be used: it has {found[0]!a} in it")
    try:
        written = address.encode()
    except UnicodeEncodeError:
        raise UnsendableError("the address can't be used: it is no text") from None
    if len(written) > MAX_ADDRESS:
        raise UnsendableError(f"the address can't be used: more than {MAX_ADDRESS} bytes")
    return written
