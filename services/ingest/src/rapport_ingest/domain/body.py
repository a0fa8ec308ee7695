"""From the bytes of a request to the JSON of its events, bounded in every direction."""

import json
import re
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
import zstandard

from rapport_common.errors import AppError

MAX_BODY_BYTES = 8 * 2**20
MAX_BATCH_EVENTS = 5_000
MAX_SALVAGE_BYTES = 2**20
GZIP_MAGIC = b"\x1f\x8b"
GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15  # zlib's window bits
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAX_ZSTD_WINDOW = 8 * 2**20
"""What RFC 9659 allows as `Content-Encoding`; a larger window would be memory a sender picks."""

ZSTD_STEP = 256
"""Four packed bytes can be a block of 128 KiB (RFC 8878, section 3.1.1.2): so many are unpacked
at a time that a step gives 8 MiB at most."""
UTF8_MARK = b"\xef\xbb\xbf"

# What msgspec raises for bytes it does not take; RecursionError for brackets 1,000 deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"


class Envelope(msgspec.Struct):
    """The body of /v1/batch; `batch` are the events' own bytes."""

    batch: list[msgspec.Raw]
    sent_at: Any = msgspec.field(name="sentAt", default=None)
    write_key: Any = msgspec.field(name="writeKey", default=None)


class Single(msgspec.Struct):
    """What the request around a single event needs of it."""

    sent_at: Any = msgspec.field(name="sentAt", default=None)
    write_key: Any = msgspec.field(name="writeKey", default=None)


_envelope = msgspec.json.Decoder(Envelope)
_single = msgspec.json.Decoder(Single)


def too_large() -> AppError:
    """The error for a body over the limit, packed or unpacked."""
    message = f"The body is larger than {MAX_BODY_BYTES // 2**20} MiB. Send smaller batches."
    return AppError(message, code="too_large", status=413, details={"limit": MAX_BODY_BYTES})


def unpack(body: bytes, encoding: str) -> bytes:
    """The plain body: gzip and zstd by magic bytes, deflate with or without zlib's header.

    Raises AppError: 413 over 8 MiB (nothing more is inflated), 400 damaged, 415 unknown encoding.
    """
    if body[:2] == GZIP_MAGIC:
        return _inflate(body, GZIP)
    if body[:4] == ZSTD_MAGIC:
        return _unpack_zstd(body)
    if encoding in {"", "identity", "gzip", "x-gzip", "zstd"}:
        # "gzip" without its magic bytes: a proxy has unpacked it and left the header.
        return body.removeprefix(UTF8_MARK)
    if encoding == "deflate":
        return _inflate(body, ZLIB if _has_zlib_header(body) else RAW_DEFLATE)
    message = (
        f"Content-Encoding '{encoding[:40]}' is not known here. Send gzip, deflate, zstd or none."
    )
    raise AppError(message, code="unsupported_encoding", status=415)


def _has_zlib_header(body: bytes) -> bool:
    """RFC 1950, section 2.2: method 8, and a check that makes the first two bytes divisible."""
    method, divisor = 8, 31
    head = int.from_bytes(body[:2], "big")
    return (head >> 8) & 15 == method and head % divisor == 0


def _inflate(body: bytes, window: int) -> bytes:
    engine = zlib.decompressobj(window)
    try:
        plain = engine.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        message = f"The compressed body is damaged: {error}."
        raise AppError(message, code="bad_encoding") from error
    if len(plain) > MAX_BODY_BYTES:
        raise too_large()
    if not engine.eof or engine.unused_data:
        raise _cut_off()
    return plain.removeprefix(UTF8_MARK)


def _unpack_zstd(body: bytes) -> bytes:
    """One frame of RFC 8878, unpacked in steps so that a bomb never gets to unfold."""
    engine = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW).decompressobj()
    chunks: list[bytes] = []
    size = 0
    for start in range(0, len(body), ZSTD_STEP):
        if engine.eof:
            raise _cut_off()
        try:
            chunks.append(engine.decompress(body[start : start + ZSTD_STEP]))
        except zstandard.ZstdError as error:
            message = f"The compressed body is damaged: {error}."
            raise AppError(message, code="bad_encoding") from error
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise too_large()
    if not engine.eof or engine.unused_data:
        raise _cut_off()
    return b"".join(chunks).removeprefix(UTF8_MARK)


def _cut_off() -> AppError:
    message = "The compressed body is cut off, or something follows its end."
    return AppError(message, code="bad_encoding")


def open_single(body: bytes) -> Single:
    """The body of a single-event route; AppError 400 unless it is one JSON object."""
    try:
        return _single.decode(body)
    except UNREADABLE as error:
        if not is_json(body):
            raise not_json(error) from error
        if body.lstrip()[:1] != b"{":
            message = "The body must be one JSON object: the event."
            raise AppError(message, code="not_an_object") from error
        # Valid JSON that we refuse (NaN, half a surrogate pair): the event's verdict says why.
        return Single()


def open_batch(body: bytes) -> Envelope:
    """The body of /v1/batch. Raises AppError: 400 no batch in it, 413 more than 5,000 events.

    One event that a strict reader refuses (NaN, half a surrogate pair, brackets without end)
    does not take the others with it: it comes out like any other, for its own verdict.
    """
    try:
        found = _envelope.decode(body)
    except msgspec.ValidationError as error:
        message = f'The body must be {{"batch": [event, …]}}: {error}.'
        raise AppError(message, code="invalid_batch") from error
    except UNREADABLE as error:
        found = _salvaged(body, error)
    check_count(len(found.batch))
    return found


def check_count(count: int, most: int = MAX_BATCH_EVENTS) -> None:
    """AppError 413 when there are more events than one request may bring."""
    if count > most:
        message = f"A batch has {most} events at most, this one {count}."
        raise AppError(message, code="too_many_events", status=413)


def is_json(raw: bytes | msgspec.Raw) -> bool:
    """Whether a lenient reader takes it: NaN, half surrogates and any depth are let pass."""
    data = bytes(raw)
    try:
        json.loads(data.decode("utf-8", "replace"))
    except RecursionError:
        return _closed_at(data) is not None
    except ValueError:
        return False
    return True


def depth_of(raw: bytes | msgspec.Raw) -> int:
    """How deep the brackets of a JSON text are nested."""
    deepest = depth = 0
    for token in _TOKEN.finditer(bytes(raw)):
        depth += _step(token[0])
        deepest = max(deepest, depth)
    return deepest


def _salvaged(body: bytes, cause: Exception) -> Envelope:
    around, items = cut_out(body, b'"batch"', cause)
    try:
        found = _envelope.decode(around)
    except UNREADABLE as error:
        raise not_json(error) from error
    found.batch = items
    return found


def cut_out(body: bytes, key: bytes, cause: Exception) -> tuple[bytes, list[msgspec.Raw]]:
    """Cut the array under the top-level `key` (in its quotes) out by its brackets.

    (The body with an empty array, the items), so that each item can be judged alone when the
    body can't be read as a whole for `cause`. AppError 400 when it is not JSON at all.
    """
    span = _batch_span(body, key) if len(body) <= MAX_SALVAGE_BYTES else None
    if span is None:
        raise not_json(cause) from cause
    start, end, items = span
    if not all(map(is_json, items)):
        raise not_json(cause) from cause
    return body[:start] + b"[]" + body[end:], [msgspec.Raw(one) for one in items]


def _batch_span(body: bytes, wanted: bytes) -> tuple[int, int, Sequence[bytes]] | None:
    """(start, end, items) of the array under the top-level key `wanted`."""
    depth, begin, key = 0, 0, b""
    for token in _TOKEN.finditer(body):
        if depth == 1 and token[0] == b"[" and key == wanted:
            begin = token.start()
            items = _items(body, begin)
            return None if items is None else (begin, items[0], items[1])
        if depth == 1 and token[0][:1] == b'"':
            key = token[0]
        depth += _step(token[0])
    return None


def _items(body: bytes, begin: int) -> tuple[int, list[bytes]] | None:
    """(end, items) of the array that opens at `begin`; None when it is never closed."""
    depth, start, items = 0, begin + 1, []
    for token in _TOKEN.finditer(body, begin):
        depth += _step(token[0])
        if depth == 0 or (depth == 1 and token[0] == b","):
            items.append(body[start : token.start()].strip())
            start = token.end()
        if depth == 0:
            return token.end(), ([] if items == [b""] else items)
    return None


def _closed_at(data: bytes) -> int | None:
    """Where the first bracket is closed again, nothing but space after it; None if nowhere."""
    depth = 0
    for token in _TOKEN.finditer(data):
        depth += _step(token[0])
        if depth == 0:
            return token.end() if not data[token.end() :].strip() else None
    return None


def _step(token: bytes) -> int:
    return (token in _OPENING) - (token in _CLOSING) if len(token) == 1 else 0


def not_json(error: Exception) -> AppError:
    """The error for a body that no reader takes."""
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return AppError(f"The body is not valid JSON: {reason}.", code="invalid_json")
