"""Reading what a strict reader refuses, so that one bad event costs no other.

NaN, half a surrogate pair or brackets without end in one event must not take the batch along. The
lenient reader is the standard library's, in C; where it gives up on depth the brackets are counted,
which is slow and therefore has a budget.
"""

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined] # there, and not in the stubs
from typing import Any

import msgspec

from rapport_common.errors import AppError
from rapport_common.wording import plain

MAX_BATCH_EVENTS = 5_000
MAX_SALVAGE_BYTES = 2**19
"""SDKs send 500 KB at most (Segment's own limit)."""

MAX_DEEP_TOKENS = 10_000
"""So many strings and runs of brackets are walked in one body, for some milliseconds."""

# What msgspec raises for bytes it does not take; RecursionError for brackets 1,000 deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Numbers are not made: int() refuses whole ones of more than 4,300 digits.
_scan = json.JSONDecoder(parse_int=bool, parse_float=bool).scan_once  # type: ignore[attr-defined] # as above
_space = re.compile(r"[ \t\n\r]*").match
_DEEP = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[{]++|[\]}]++', re.DOTALL)
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class _NotJsonError(ValueError):
    """Not even the lenient reader takes it."""


class _Text:
    """A body by its bytes, each one character, and what may still be spent on depth."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.text = body.decode("latin-1")
        self._left = MAX_DEEP_TOKENS

    def skip(self, at: int) -> int:
        """Where the next character that is no space is."""
        found = _space(self.text, at)
        return found.end() if found else at

    def expect(self, at: int, wanted: str) -> int:
        """The place after `wanted` and the space around it."""
        at = self.skip(at)
        if self.text[at : at + 1] != wanted:
            raise _NotJsonError
        return self.skip(at + 1)

    def value(self, at: int) -> int:
        """Where the value that begins at `at` ends."""
        try:
            return int(_scan(self.text, at)[1])
        except RecursionError:
            return self._closed(at)
        except (StopIteration, ValueError) as error:
            raise _NotJsonError from error

    def key(self, at: int) -> tuple[str, int]:
        """(the key that begins at `at`, where its value begins)."""
        if self.text[at : at + 1] != '"':
            raise _NotJsonError
        try:
            name, end = scanstring(self.text, at + 1, True)
        except ValueError as error:
            raise _NotJsonError from error
        return name, self.expect(end, ":")

    def items(self, at: int) -> tuple[int, list[bytes]]:
        """(where the array that opens at `at` ends, its items); AppError when they are many."""
        found: list[bytes] = []
        at = self.skip(at + 1)
        while self.text[at : at + 1] != "]" or found:
            end = self.value(at)
            found.append(self.body[at:end])
            check_count(len(found))
            at = self.skip(end)
            if self.text[at : at + 1] == "]":
                break
            at = self.expect(at, ",")
        return at + 1, found

    def _closed(self, at: int) -> int:
        """Where the bracket at `at` is closed again."""
        depth = 0
        for token in _DEEP.finditer(self.text, at):
            self._left -= 1
            if self._left < 0:
                break
            if token[0][0] in "[{":
                depth += len(token[0])
            elif token[0][0] in "]}":
                if depth <= len(token[0]):
                    return token.start() + depth
                depth -= len(token[0])
        raise _NotJsonError


def is_json(raw: bytes | msgspec.Raw) -> bool:
    """Whether a lenient reader takes it, up to 512 KiB: NaN and half surrogates are let pass."""
    data = bytes(raw)
    if len(data) > MAX_SALVAGE_BYTES:
        return False
    text = _Text(data)
    try:
        return text.skip(text.value(text.skip(0))) == len(data)
    except _NotJsonError:
        return False


def loose(body: bytes) -> Any:
    """What a lenient reader makes of it, numbers left out; None when it is nested too deeply."""
    try:
        return json.loads(body.decode("utf-8", "replace"), parse_int=bool, parse_float=bool)
    except (ValueError, RecursionError):
        return None


def cut_out(body: bytes, wanted: str, cause: Exception) -> tuple[bytes, list[msgspec.Raw]]:
    """Cut the array under the top-level key `wanted` out.

    (The body with an empty array, the items), so that each item can be judged alone when the
    body can't be read as a whole for `cause`. AppError: 400 when it is not JSON at all, 413 for
    more than 5,000 items.
    """
    if len(body) > MAX_SALVAGE_BYTES:
        raise not_json(cause) from cause
    try:
        begin, end, items = _array(_Text(body), wanted)
    except _NotJsonError:
        raise not_json(cause) from cause
    return body[:begin] + b"[]" + body[end:], [msgspec.Raw(one) for one in items]


def _array(text: _Text, wanted: str) -> tuple[int, int, list[bytes]]:
    at = text.expect(0, "{")
    while True:
        name, at = text.key(at)
        if name == wanted and text.text[at : at + 1] == "[":
            return at, *text.items(at)
        at = text.expect(text.value(at), ",")


def deeper_than(raw: bytes | msgspec.Raw, levels: int) -> bool:
    """Whether the brackets of a JSON text are nested more than `levels` deep.

    Each round takes away the innermost ones of every branch, all in C.
    """
    brackets = _STRING.sub(b"", bytes(raw)).translate(_ONE_KIND, _NO_BRACKETS)
    for _round in range(levels):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def check_count(count: int, most: int = MAX_BATCH_EVENTS) -> None:
    """AppError 413 when there are more events than one request may bring."""
    if count > most:
        message = f"A batch has {most} events at most. Send smaller batches."
        raise AppError(message, code="too_many_events", status=413, details={"limit": most})


def not_json(error: Exception) -> AppError:
    """The error for a body that no reader takes."""
    reason = "nested too deeply" if isinstance(error, RecursionError) else plain(error)
    return AppError(f"The body is not valid JSON: {reason}.", code="invalid_json")
