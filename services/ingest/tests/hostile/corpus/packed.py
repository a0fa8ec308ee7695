"""Bodies that are compressed, encoded or announced wrongly."""

import gzip
import zlib
from collections.abc import Iterator

from services.ingest.tests.hostile.corpus.case import GOOD, Case

MAX_BODY_BYTES = 8 * 2**20
ZSTD = bytes.fromhex("28b52ffd") + b"\x00" * 20
BROTLI_BOMB = bytes.fromhex("81ffff0000c0")
# Eight times the limit is enough to be one, and packed in no time: every worker makes it.
UNPACKED = b"0" * 8 * MAX_BODY_BYTES
BOMB = gzip.compress(UNPACKED, 1)
BOM = b"\xef\xbb\xbf"


def raw_deflate(data: bytes) -> bytes:
    """Deflate without a header, as some clients send it."""
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


def cases() -> Iterator[Case]:
    """All of them."""
    packed = gzip.compress(GOOD)
    flipped = packed[:-6] + bytes([packed[-6] ^ 255]) + packed[-5:]
    yield from (
        _gzip("gzip", packed, "ok"),
        _gzip("gzip of a byte order mark", gzip.compress(BOM + GOOD), "ok"),
        _gzip("gzip of nothing", gzip.compress(b""), "!invalid_json"),
        _gzip("gzip of text", gzip.compress(b"hello"), "!invalid_json"),
        _gzip("gzip of an event that is refused", gzip.compress(b'{"event":1.5}'), "invalid_type"),
        _gzip("gzip in gzip", gzip.compress(packed), "!invalid_json"),
        _gzip("gzip, wrong checksum", flipped, "!bad_encoding"),
        _gzip("gzip, wrong length", packed[:-1] + b"\x7f", "!bad_encoding"),
        _gzip("gzip, reserved flags", packed[:3] + b"\xff" + packed[4:], "!bad_encoding"),
        _gzip("two bodies in one", packed + packed, "!invalid_json"),
        _gzip("gzip and garbage", packed + b"x", "!bad_encoding"),
        _gzip("gzip bomb", BOMB, "!too_large"),
        _gzip("gzip bomb without header", BOMB, "!too_large", encoding=""),
        _gzip("gzip bomb in gzip", gzip.compress(BOMB), "!invalid_json"),
        _gzip("8 MiB in gzip", gzip.compress(_padded(0), 1), "event_too_large"),
        _gzip("8 MiB and a byte in gzip", gzip.compress(_padded(1), 1), "!too_large"),
        _gzip("plain under gzip", GOOD, "ok"),
        _gzip("gzip under deflate", packed, "ok", encoding="deflate"),
        _gzip("gzip under identity", packed, "ok", encoding="identity"),
        _gzip("gzip in capitals", packed, "ok", encoding="GZIP"),
        _gzip("gzip with spaces", packed, "ok", encoding=" gzip "),
        _gzip("deflate", zlib.compress(GOOD), "ok", encoding="deflate"),
        _gzip("deflate without header", raw_deflate(GOOD), "ok", encoding="deflate"),
        _gzip("plain under deflate", GOOD, "!bad_encoding", encoding="deflate"),
        _gzip("nothing under deflate", b"", "!bad_encoding", encoding="deflate"),
        _gzip("deflate without saying so", zlib.compress(GOOD), "!invalid_json", encoding=""),
        _gzip("deflate bomb", zlib.compress(UNPACKED, 1), "!too_large", encoding="deflate"),
        _gzip("zlib with dictionary", b"\x78\xbb" + b"\0" * 8, "!bad_encoding", encoding="deflate"),
    )
    for cut in (1, 2, 5, 9, 10, 15, len(packed) - 1):
        expected = "!bad_encoding" if cut > 1 else "!invalid_json"
        yield _gzip(f"gzip cut after {cut}", packed[:cut], expected)
    for encoding, body in (
        *((one, GOOD) for one in ("br", "compress", "gzip, gzip", "aws-chunked", "é", "*")),
        ("br", BROTLI_BOMB),
        ("x" * 3000, GOOD),
    ):
        name = f"encoding {encoding[:20]}, {len(body)} bytes"
        yield _gzip(name, body, "!unsupported_encoding", encoding=encoding)
    # A proxy may have unpacked it and left the header.
    yield _gzip("zstd that is plain", GOOD, "ok", encoding="zstd")
    yield _gzip("zstd without its size", ZSTD, "!bad_encoding", encoding="zstd")
    yield from _characters()


def _characters() -> Iterator[Case]:
    text = GOOD.decode()
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield Case(f"in {name}", text.encode(name), "!invalid_json")
    yield Case("utf-7", b"+AHs-" + GOOD[1:], "!invalid_json")
    yield Case("two byte order marks", BOM + BOM + GOOD, "!invalid_json")
    yield Case("byte order mark inside", GOOD[:-1] + b"," + BOM + b'"x":1}', "!invalid_json")
    yield Case("non-breaking space", b"\xc2\xa0" + GOOD, "!invalid_json")
    yield Case("vertical tab", b"\x0b" + GOOD, "!invalid_json")
    for kind in ("text/plain", "multipart/form-data", "application/xml", "x" * 2000, "\x7f", ""):
        name = f"content type {kind[:20]!r}"
        yield Case(name, GOOD, "ok", headers={"Content-Type": kind})


def _padded(more: int) -> bytes:
    return GOOD + b" " * (MAX_BODY_BYTES - len(GOOD) + more)


def _gzip(name: str, body: bytes, expected: str, *, encoding: str = "gzip") -> Case:
    return Case(name, body, expected, headers={"Content-Encoding": encoding})
