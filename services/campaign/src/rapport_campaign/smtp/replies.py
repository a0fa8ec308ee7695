"""Answers of a mail server (RFC 5321 §4.2, RFC 2034), read from whatever pieces they come in."""

import re
from dataclasses import dataclass

from typing_extensions import override

MAX_LINE = 2048
"""Bytes before the line's end: four times what RFC 5321 allows."""
MAX_LINES = 100
CLOSING = 421
_YES, _NOT_NOW, _NO = 2, 4, 5

# A code is of three digits; what is not of 2yz to 5yz is not SMTP.
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |$)")


class BrokenReplyError(Exception):
    """What came is no answer of SMTP, or more than anybody needs."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `lines` are what stands behind the code in each of its lines."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def is_yes(self) -> bool:
        return self.code // 100 == _YES

    @property
    def is_not_now(self) -> bool:
        return self.code // 100 == _NOT_NOW

    @property
    def is_no(self) -> bool:
        return self.code // 100 == _NO

    @property
    def text(self) -> str:
        """What it says, for people: servers say anything, in any encoding."""
        said = b" ".join(self.lines).decode("utf-8", "replace")
        return " ".join("".join(one if one.isprintable() else " " for one in said).split())

    @property
    def enhanced(self) -> tuple[int, int] | None:
        """Subject and detail of the enhanced status code; None without one that fits the code."""
        found = _ENHANCED.match(self.text)
        if found is None or int(found[1]) != self.code // 100:
            return None
        return int(found[2]), int(found[3])

    @override
    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


class ReplyReader:
    """Takes bytes, gives answers. It keeps one line at most, and the lines of one answer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._code = b""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come that is not read: no half of an answer either."""
        return not self._buffer and not self._lines

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def read(self) -> Reply | None:
        """The next answer, or None when it is not there as a whole.

        Raises BrokenReplyError; nothing can be read after it.
        """
        while (line := self._line()) is not None:
            found = _LINE.fullmatch(line)
            if found is None:
                raise BrokenReplyError(f"no answer of SMTP: {bytes(line[:80])!r}")
            code, mark, text = found.groups(b"")
            if self._lines and code != self._code:
                raise BrokenReplyError(f"one answer with two codes: {self._code!r} and {code!r}")
            self._code = code
            self._lines.append(text)
            if mark != b"-":
                lines, self._lines = tuple(self._lines), []
                return Reply(int(code), lines)
            if len(self._lines) >= MAX_LINES:
                raise BrokenReplyError(f"an answer of more than {MAX_LINES} lines")
        return None

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", 0, MAX_LINE + 1)
        if end < 0:
            if len(self._buffer) > MAX_LINE:
                raise BrokenReplyError(f"a line of more than {MAX_LINE} bytes")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")
