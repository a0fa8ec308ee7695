"""From the bytes of a request to the JSON of its events, bounded in every direction."""

import zlib
from typing import Any

import msgspec
import zstandard

from rapport_common.errors import AppError, TooLargeError
from rapport_common.wording import plain
from rapport_ingest.domain.salvage import UNREADABLE, check_count, cut_out, is_json, not_json

MAX_BODY_BYTES = 8 * 2**20
MAX_VALUES = 400_000
"""Values in a body: each becomes an object of many times its size. Events have one in 25 bytes."""

MAX_UNCOUNTED = 2**16
"""A body of so many bytes can't have too many."""

MAX_MEMBERS = 1_024
"""Pieces of a packed body that follow each other, each with a head of its own. Tools that pack in
blocks (bgzip) make one per 64 KiB."""

GZIP_MAGIC = b"\x1f\x8b"
GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15  # zlib's window bits
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MAX_ZSTD_WINDOW = 8 * 2**20
"""What RFC 9659 allows as `Content-Encoding`; a larger window would be memory a sender picks."""

ZSTD_STEP = 256
"""Four packed bytes can be a block of 128 KiB (RFC 8878, section 3.1.1.2): so many are unpacked
at a time that a step gives 8 MiB at most."""
UTF8_MARK = b"\xef\xbb\xbf"


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


def unpack(body: bytes, encoding: str, limit: int = MAX_BODY_BYTES) -> bytes:
    """The plain body: gzip and zstd by magic bytes, deflate with or without zlib's header.

    Raises AppError: 413 over `limit` bytes (nothing more is unpacked) or over 400,000 values, 400
    damaged, 415 unknown encoding. A body that was sent plain is not measured again.
    """
    plain = _unpacked(body, encoding, limit).removeprefix(UTF8_MARK)
    if len(plain) > MAX_UNCOUNTED and plain.count(b",") >= MAX_VALUES:
        message = f"The body has more than {MAX_VALUES:,} values. Send smaller batches."
        details = {"limit": MAX_VALUES}
        raise AppError(message, code="too_many_values", status=413, details=details)
    return plain


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    if body[:2] == GZIP_MAGIC:
        return _inflate(body, GZIP, limit)
    if body[:4] == ZSTD_MAGIC:
        return _unpack_zstd(body, limit)
    if encoding in {"", "identity", "gzip", "x-gzip", "zstd"}:
        # "gzip" without its magic bytes: a proxy has unpacked it and left the header.
        return body
    if encoding == "deflate":
        return _inflate(body, ZLIB if _has_zlib_header(body) else RAW_DEFLATE, limit)
    message = (
        f"Content-Encoding '{encoding[:40]}' is not known here. Send gzip, deflate, zstd or none."
    )
    raise AppError(message, code="unsupported_encoding", status=415)


def _has_zlib_header(body: bytes) -> bool:
    """RFC 1950, section 2.2: method 8, and a check that makes the first two bytes divisible."""
    method, divisor = 8, 31
    head = int.from_bytes(body[:2], "big")
    return (head >> 8) & 15 == method and head % divisor == 0


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    """One stream, or with gzip's several after each other (RFC 1952, section 2.2)."""
    chunks: list[bytes] = []
    left, rest = limit, body
    for _member in range(MAX_MEMBERS):
        engine = zlib.decompressobj(window)
        try:
            chunks.append(engine.decompress(rest, left + 1))
        except zlib.error as error:
            message = f"The compressed body is damaged: {error}."
            raise AppError(message, code="bad_encoding") from error
        left -= len(chunks[-1])
        if left < 0:
            raise TooLargeError(limit)
        rest = engine.unused_data
        if not engine.eof or (rest and window != GZIP):
            raise _cut_off()
        if not rest:
            return b"".join(chunks)
        if rest[:2] != GZIP_MAGIC:
            raise _cut_off()
    raise _too_many_members()


def _unpack_zstd(body: bytes, limit: int) -> bytes:
    """Frames of RFC 8878, unpacked in steps so that a bomb never gets to unfold."""
    chunks: list[bytes] = []
    size, at = 0, 0
    for _frame in range(MAX_MEMBERS):
        engine = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW).decompressobj()
        while at < len(body) and not engine.eof:
            step = body[at : at + ZSTD_STEP]
            try:
                chunks.append(engine.decompress(step))
            except zstandard.ZstdError as error:
                message = f"The compressed body is damaged: {error}."
                raise AppError(message, code="bad_encoding") from error
            at += len(step) - len(engine.unused_data)
            size += len(chunks[-1])
            if size > limit:
                raise TooLargeError(limit)
        if not engine.eof:
            raise _cut_off()
        if at == len(body):
            return b"".join(chunks)
        if body[at : at + 4] != ZSTD_MAGIC:
            raise _cut_off()
    raise _too_many_members()


def _too_many_members() -> AppError:
    message = f"The compressed body is in more than {MAX_MEMBERS:,} pieces. Pack it as one."
    return AppError(message, code="bad_encoding")


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
        message = f'The body must be {{"batch": [event, …]}}: {plain(error)}.'
        raise AppError(message, code="invalid_batch") from error
    except UNREADABLE as error:
        found = _salvaged(body, error)
    check_count(len(found.batch))
    return found


def _salvaged(body: bytes, cause: Exception) -> Envelope:
    around, items = cut_out(body, "batch", cause)
    try:
        found = _envelope.decode(around)
    except UNREADABLE as error:
        raise not_json(error) from error
    found.batch = items
    return found
