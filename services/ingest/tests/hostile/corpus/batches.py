"""Bodies of /v1/batch: what is none, edges of its limits, good events between bad ones."""

from collections.abc import Iterator

from services.ingest.tests.hostile.corpus.case import GOOD, Case, nested

MAX_BODY_BYTES = 8 * 2**20
WRONG = (b"null", b"true", b"0", b"1.5", b'"x"', b"{}", b'{"0":' + GOOD + b"}")
ITEMS = (b"null", b"true", b"0", b"-1.5", b'""', b'"x"', b"[]", b"[" + GOOD + b"]")


def cases() -> Iterator[Case]:
    """All of them; `expected` is the request's error, or the verdict on its only bad event."""
    for value in WRONG:
        yield _batch(f"batch is {value.decode()[:9]}", b'{"batch":%s}' % value, "!invalid_batch")
    for key in (b"Batch", b"events", b"batc\\u0068x", b""):
        yield _batch(f"key {key!r}", b'{"%s":[%s]}' % (key, GOOD), "!invalid_batch")
    for body in (b"", b" ", b"null", b"[]", b"[" + GOOD + b"]", b'"batch"', b"{}", GOOD):
        code = "!invalid_batch" if body.strip() else "!invalid_json"
        yield _batch(f"body {body.decode()[:20]!r}", body, code)
    for item in ITEMS:
        yield _batch(f"item {item.decode()[:9]}", _of(GOOD, item, GOOD), "not_an_object")
    inner = b'{"type":"batch","batch":[%s]}' % GOOD
    yield _batch("batch in a batch", _of(GOOD, inner, GOOD), "unknown_type")
    yield _batch("event without type", _of(GOOD, b'{"event":"x","userId":"u"}'), "missing_field")
    yield _batch("item 9000 deep", _of(GOOD, nested(9000), GOOD), "too_deep")
    yield _batch("escaped key", b'{"b\\u0061tch":[%s]}' % GOOD, "ok")
    yield _batch("key twice", b'{"batch":[1],"batch":[%s]}' % GOOD, "ok")
    yield _batch("empty", b'{"batch":[]}', "ok")
    yield _batch("5000 events", _of(*[GOOD] * 5000), "ok")
    yield _batch("5001 events", _of(*[GOOD] * 5001), "!too_many_events")
    yield _batch("a million nulls", _of(*[b"null"] * 1_000_000), "!too_many_values")
    yield from _damaged()


def _damaged() -> Iterator[Case]:
    full = _of(GOOD)
    padded = full + b" " * (MAX_BODY_BYTES - len(full))
    yield _batch("exactly 8 MiB", padded, "ok")
    yield _batch("8 MiB and a byte", padded + b" ", "!too_large")
    for name, body in {
        "cut": full[:-2],
        "without comma": b'{"batch":[%s%s]}' % (GOOD, GOOD),
        "trailing comma": b'{"batch":[%s,]}' % GOOD,
        "with a comment": b'{"batch":[%s/**/]}' % GOOD,
        "two documents": full + full,
        "unclosed": b'{"batch":[' + b"[" * 100_000,
        "unclosed text": b'{"batch":["' + b"\\" * 99_999,
        "quotes only": b'{"batch":[' + b'"' * 200_001,
        "8 MB of brackets": b"[" * 8_000_000,
        "nan and cut": b'{"batch":[NaN, %s' % GOOD,
        "1 MB and nan": b'{"batch":[' + b" " * 2**20 + b"NaN]}",
    }.items():
        code = "!invalid_batch" if name == "8 MB of brackets" else "!invalid_json"
        yield _batch(name, body, code)
    for name, key in {
        "list": b"[]",
        "number": b"1",
        "nul": b'"\\u0000"',
        "half": b'"rk_1"',
    }.items():
        yield _batch(f"write key {name}", b'{"writeKey":%s,"batch":[%s]}' % (key, GOOD), "ok")
    for sent in (
        b"null",
        b"0",
        b"[]",
        b'"x"',
        b'"9999-12-31T23:59:59Z"',
        b'"0001-01-01T00:00:00Z"',
    ):
        yield _batch(f"sentAt {sent!r}", b'{"sentAt":%s,"batch":[%s]}' % (sent, GOOD), "ok")


def _of(*events: bytes) -> bytes:
    return b'{"batch":[' + b",".join(events) + b"]}"


def _batch(name: str, body: bytes, expected: str) -> Case:
    return Case(f"batch: {name}", body, expected, route="batch")
