"""Header fields of a mail: RFC 5322 lines, RFC 2047 encoded words; nothing can begin a line.

What a person wrote survives: joiners, tags and emoji of any year are text. Only controls and
line separators become blanks, and what is no character at all its replacement.
"""

import base64
import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import lru_cache

from rapport_campaign.domain.addresses import mailbox, quoted_name

MAX_SUBJECT = 250
MAX_LINE = 78
_WORD_BYTES = 45
"""Bytes per encoded word: 60 characters of base64, 72 with what is around them."""

_BREAKS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Zero-width blanks, and what turns the words behind it round. Joiners are in emoji and in words.
UNSEEN = re.compile("[\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_JOINER = "\u200d"
_TAGS = range(0xE0020, 0xE0080)
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def one_line(text: str) -> str:
    """A text without anything that could end a line; runs of blanks and controls are one blank."""
    return _BREAKS.sub(" ", _SURROGATES.sub("\ufffd", text)).strip(" ")


def clean_subject(text: str) -> str:
    """A rendered subject: one line, not longer than clients show, no character cut in two, and
    nothing that hides words or turns them round.
    """
    line = one_line(UNSEEN.sub("", text))
    if len(line) <= MAX_SUBJECT:
        return line
    end = MAX_SUBJECT
    while end > 1 and (_extends(line[end]) or line[end - 1] == _JOINER):
        end -= 1
    return line[:end].rstrip(" ")


def unstructured(name: str, text: str) -> bytes:
    """A field of free text, such as a subject, with its line end."""
    text = one_line(text)
    if not text.isascii() or "=?" in text or (len(text) > MAX_LINE and " " not in text):
        return _folded(name, _encoded_words(text))
    return _folded(name, text.split(" "))


def structured(name: str, value: str) -> bytes:
    """A field whose blanks may be folded; text outside ASCII stays UTF-8 (RFC 6532)."""
    return _folded(name, one_line(value).split(" "))


@lru_cache(maxsize=256)
def sender(name: str, text: str) -> bytes:
    """A field with one mailbox: its display name in quotes or encoded words where needed."""
    display, address = mailbox(one_line(text))
    display = _legacy_words(display)
    if not display:
        return _folded(name, [address])
    plain = display.isascii() and "=?" not in display
    words = quoted_name(display).split(" ") if plain else _encoded_words(display)
    return _folded(name, [*words, f"<{address}>"])


def _legacy_words(display: str) -> str:
    """A name that is stored as encoded words is the text they stand for."""
    if "=?" not in display:
        return display
    try:
        return str(make_header(decode_header(display)))
    except (HeaderParseError, LookupError, ValueError):
        return display


def _encoded_words(text: str) -> list[str]:
    """`=?utf-8?b?...?=`, each at most 75 characters (RFC 2047, 2) and of whole characters."""
    words: list[bytes] = [b""]
    for character in text:
        encoded = character.encode()
        if len(words[-1]) + len(encoded) > _WORD_BYTES:
            words.append(b"")
        words[-1] += encoded
    return [f"=?utf-8?b?{base64.b64encode(one).decode()}?=" for one in words]


def _folded(name: str, words: list[str]) -> bytes:
    """The words with a line break before each that would reach beyond 78 characters."""
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > MAX_LINE and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join(lines).encode() + b"\r\n"


def _extends(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    return (
        character == _JOINER
        or ord(character) in _TAGS
        or ord(character) in _SKIN_TONES
        or unicodedata.category(character) in {"Mn", "Me", "Mc"}
    )
