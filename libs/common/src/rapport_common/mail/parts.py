"""Reads any bytes as a mail (RFC 5322, 2045, 2046): headers and parts, as well as they can be read.

Written by hand, because what comes as a bounce is often no correct mail. Nothing is refused and
nothing raises: what can't be read is text. The standard library's parser recurses into parts and
raises for what it does not expect.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header

MOST_BYTES = 2 * 2**20
"""More of a mail is not looked at: what it reports stands at its beginning."""
MOST_DEPTH = 8
MOST_PARTS = 100
MOST_TEXT = 64 * 1024
"""Bytes of a part that are made text."""
MOST_HEADERS = 64 * 1024
_MOST_WORDS = 1000

_END = re.compile(rb"\r?\n[ \t]*\r?\n")
_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_LINE_END = re.compile(r"\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_TYPE = re.compile(r"\s*([\w.+-]+/[\w.+-]+)")
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))')
_CHARSET = re.compile(r"[A-Za-z0-9_.:-]{1,40}")
_NOT_BASE64 = re.sub(rb"[A-Za-z0-9+/]", b"", bytes(range(256)))
_SLOW_CHARSETS = frozenset({"idna", "punycode", "undefined"})


@dataclass(frozen=True, slots=True)
class Part:
    """A mail, or a part of one; `body` is as it was sent, decoded by `text` only.

    `headers` have their names in lower case. `depth` is 0 for the mail itself.
    """

    headers: list[tuple[str, str]]
    body: bytes
    depth: int = 0
    kind: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str:
        """The first field of a name, on one line; empty without one."""
        return next((value for found, value in self.headers if found == name), "")

    def shown(self, name: str) -> str:
        """A field as people read it: its encoded words (RFC 2047) are decoded."""
        value = self.header(name)[:_MOST_WORDS]
        try:
            return str(make_header(decode_header(value)))
        except (HeaderParseError, LookupError, ValueError):
            return value

    def text(self) -> str:
        """The beginning of the body: its encoding undone as far as it can be."""
        return _characters(self.content()[:MOST_TEXT], self.parameters.get("charset", ""))

    def content(self) -> bytes:
        """The body with its encoding undone, as far as it can be."""
        return _decoded(self.body, self.header("content-transfer-encoding").strip().lower())


def parts_of(raw: bytes, most: int = MOST_BYTES) -> Iterator[Part]:
    """The mail and all of its parts, also those of mails within it, outermost first.

    So many, and so deep, and of the first `most` bytes, at most.
    """
    waiting = [(raw[:most], 0)]
    given = 0
    while waiting and given < MOST_PARTS:
        bytes_of, depth = waiting.pop()
        part = read(bytes_of, depth)
        given += 1
        yield part
        if depth < MOST_DEPTH:
            inner = _inner(part)[: MOST_PARTS - given]
            waiting += [(one, depth + 1) for one in reversed(inner)]


def read(raw: bytes, depth: int = 0) -> Part:
    """Bytes as headers and a body; without headers all of it is body."""
    if raw.startswith((b"\n", b"\r\n")):
        head, body = b"", raw.lstrip(b"\r\n")
    else:
        found = _END.search(raw, 0, MOST_HEADERS)
        head, body = (raw[: found.start()], raw[found.end() :]) if found else (raw, b"")
    headers = fields(head[:MOST_HEADERS].decode("utf-8", "replace"))
    if not headers:
        body = raw
    said = next((value for name, value in headers if name == "content-type"), "")
    match = _TYPE.match(said)
    return Part(
        headers, body, depth, match[1].lower() if match else "text/plain", parameters_of(said)
    )


def fields(text: str) -> list[tuple[str, str]]:
    """The fields of a block of headers, unfolded; lines that are none are left out."""
    found: list[tuple[str, str]] = []
    # Nothing else ends a line: what looks like an end to others stands within the field.
    for line in _LINE_END.split(_FOLD.sub(" ", text)):
        match = _FIELD.fullmatch(line)
        if match:
            found.append((match[1].lower(), match[2].strip()))
    return found


def parameters_of(value: str) -> dict[str, str]:
    """The parameters of a field such as Content-Type, their names in lower case."""
    return {
        match[1].lower().rstrip("*"): re.sub(r"\\(.)", r"\1", match[2] or match[3] or "")
        for match in _PARAMETER.finditer(value[:MOST_TEXT])
    }


def _inner(part: Part) -> list[bytes]:
    if part.kind.startswith("multipart/"):
        return between(part.body, part.parameters.get("boundary", ""))
    if part.kind in {"message/rfc822", "message/global", "text/rfc822-headers"}:
        encoding = part.header("content-transfer-encoding").strip().lower()
        return [_decoded(part.body, encoding)]
    return []


def between(body: bytes, boundary: str) -> list[bytes]:
    """What stands between the lines of a boundary, the last one without an end, too."""
    if not boundary:
        return []
    # The boundary of a part within may begin by the same letters.
    mark = re.compile(
        b"\n--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(?=--|[ \t]*\r?(?:\n|\Z))"
    )
    found: list[bytes] = []
    for one in mark.split(b"\n" + body, MOST_PARTS)[1:]:
        if one.startswith(b"--"):
            break
        # What is left of the boundary's line; a headless part begins by an empty one.
        found.append(one.partition(b"\n")[2].removesuffix(b"\r"))
    return found


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding == "base64":
        kept = body.translate(None, _NOT_BASE64)
        return binascii.a2b_base64(kept[: len(kept) // 4 * 4])
    return body


def _characters(raw: bytes, charset: str) -> str:
    name = charset.strip().lower()
    if _CHARSET.fullmatch(name) and name not in _SLOW_CHARSETS:
        try:
            # Some character sets have halves of characters, which are no text anywhere else.
            return raw.decode(name, "replace").encode("utf-8", "replace").decode()
        except (LookupError, ValueError):
            pass
    return raw.decode("utf-8", "replace")
