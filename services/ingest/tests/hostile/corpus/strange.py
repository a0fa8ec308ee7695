"""Single events: every kind of damage in every field, edges of every limit, strange texts."""

from collections.abc import Iterator

import msgspec
from services.ingest.tests.hostile.corpus.case import GOOD, Case, nested, of

from rapport_ingest.domain.event import MAX_EVENT_BYTES
from rapport_ingest.domain.reading import MAX_ID, MAX_MESSAGE_ID, MAX_NAME
from rapport_ingest.domain.shape import MAX_KEY, MAX_KEYS

FIELDS = (
    "messageId",
    "userId",
    "anonymousId",
    "event",
    "timestamp",
    "properties",
    "traits",
    "context",
    "integrations",
    "unknown",
)
MAX_BODY_BYTES = 8 * 2**20
# Value, code, and whether the field's own path is told.
DAMAGES: dict[str, tuple[bytes, str, bool]] = {
    "65 lists deep": (nested(64), "too_deep", False),
    "200 objects deep": (nested(200, b'{"a":', b"}"), "too_deep", False),
    "4000 lists deep": (nested(4000), "too_deep", False),
    "half surrogate pair": (b'"\\ud800"', "invalid_json", False),
    "not a number": (b"NaN", "invalid_json", False),
    "infinity": (b"[Infinity]", "invalid_json", False),
    "1e400": (b"1e400", "invalid_json", False),
    "5000 digits": (b"-" + b"7" * 5000, "invalid_json", False),
    "overlong utf-8": (b'"\xe0\x80\xaf"', "invalid_json", False),
    "lone continuation byte": (b'"\x80"', "invalid_json", False),
    "nul": (b'"a\\u0000"', "nul_character", True),
    "40 KB": (b'"' + b"y" * 40_000 + b'"', "event_too_large", False),
}
STRANGE_IDS = {
    "emoji": "👩🏽‍🚀🏳️‍🌈",
    "right to left": "مرحبا\u202etxt.exe",
    "zero width": "a\u200b\u200d\ufeffb",
    "combining": "e" + "\u0301" * 90,
    "private use": "\ue000\U000f0000",
    "noncharacter": "\uffff\U0010ffff",
    "line separators": "a\u2028b\u2029c",
    "crlf": "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
    "tab and escape": "a\t\x1b[31mred\x7f",
    "quotes": "\"'`\\",
    "sql": "'; DROP TABLE ingest.source; --",
    "sql union": "1 UNION SELECT * FROM pg_shadow",
    "sql placeholder": ":workspace $1 %s {x} ?",
    "script": "<script>alert(1)</script>",
    "template": "{{7*7}}${7*7}#{7*7}",
    "path": "../../../../etc/passwd",
    "slashes": "a/b//c?d=e&f#g",
    "percent": "%00%0d%0a%2e%2e",
    "shell": "$(reboot) `id` | ls; &",
    "jndi": "${jndi:ldap://127.0.0.1/a}",
    "csv formula": "=1+1|' /C calc'!A0",
    "format": "%n%n%s%x{0.__class__}",
    "number like": "007",
    "boolean like": "false",
    "null like": "null",
    "nan like": "NaN",
    "prototype": "__proto__",
}
NOBODY = {"template", "shell", "jndi", "boolean like", "null like", "nan like"}
"""As an id they would be shared by all for whom nobody filled the field."""

TIMES = {
    "0000-00-00T00:00:00Z": "ok",
    "2026-02-30T00:00:00Z": "invalid_timestamp",
    "2026-13-01T00:00:00Z": "invalid_timestamp",
    "2026-01-01T24:00:01Z": "invalid_timestamp",
    "2026-01-01T23:59:61Z": "invalid_timestamp",
    "-2026-01-01T00:00:00Z": "invalid_timestamp",
    "+12026-01-01T00:00:00Z": "invalid_timestamp",
    "0001-01-01T00:00:00Z": "ok",
    "1601-01-01T00:00:00Z": "ok",
    "1969-12-31T23:59:59.999999Z": "ok",
    "1970-01-01T00:00:00Z": "ok",
    "2038-01-19T03:14:08Z": "ok",
    "9999-12-31T23:59:59.999999Z": "ok",
    "2026-01-01": "ok",
    "2026-01-01T00:00:00.123456789Z": "ok",
    "2026-01-01T00:00:00+23:59": "ok",
    "yesterday": "invalid_timestamp",
    "Thu, 01 Jan 2026 00:00:00 GMT": "invalid_timestamp",
    "2026-01-01T00:00:00Z\r\nx": "invalid_timestamp",
    "2026-01-01T00:00:00Z" * 1000: "invalid_timestamp",
}
NUMBERS = (b"0", b"-1", b"1767225600", b"1767225600000", b"-99999999999999999999", b"1e300")


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _damaged()
    yield from _edges()
    yield from _texts()
    yield from _times()
    yield from _sizes()


def _damaged() -> Iterator[Case]:
    for field in FIELDS:
        for shown, (value, code, told) in DAMAGES.items():
            path = field if told else ""
            yield Case(f"{field}: {shown}", of(b'"%s":%s' % (field.encode(), value)), code, path)


def _edges() -> Iterator[Case]:
    limits = {"messageId": MAX_MESSAGE_ID, "userId": MAX_ID, "anonymousId": MAX_ID}
    for field, limit in (limits | {"event": MAX_NAME}).items():
        for text in ("x", "é", "😀"):
            fits, more = text * limit, text * (limit + 1)
            yield _with(f"{field}: {limit} {text}", {field: fits})
            yield _with(f"{field}: {limit + 1} {text}", {field: more}, "too_long", field)


def _texts() -> Iterator[Case]:
    for shown, text in STRANGE_IDS.items():
        for field in ("messageId", "event"):
            yield _with(f"{field}: {shown}", {field: text})
        named = "blocked_identifier" if shown in NOBODY else "ok"
        yield _with(f"userId: {shown}", {"userId": text}, named)
        yield _with(f"key: {shown}", {"properties": {text: {text: text}}})
        yield _with(f"top-level key: {shown}", {text: 1})


def _times() -> Iterator[Case]:
    for text, expected in TIMES.items():
        path = None if expected == "ok" else "timestamp"
        yield _with(f"timestamp: {text[:40]}", {"timestamp": text}, expected, path)
        yield _with(f"sentAt: {text[:40]}", {"sentAt": text, "timestamp": "2026-01-01"})
    for number in NUMBERS:
        shown = number.decode()
        event = of(b'"timestamp":' + number)
        code, path = ("invalid_timestamp", "timestamp") if number == b"1e300" else ("ok", None)
        yield Case(f"timestamp: number {shown}", event, code, path)
        yield Case(f"sentAt: number {shown}", of(b'"sentAt":' + number), "ok")


def _sizes() -> Iterator[Case]:
    """Around 32 KB, around 8 MiB, and all the keys in the world."""
    fits = GOOD[:-1] + b',"x":"' + b"y" * (MAX_EVENT_BYTES - len(GOOD) - 7) + b'"}'
    yield Case("exactly 32 KB", fits, "ok")
    yield Case("32 KB and a byte", fits.replace(b"yy", b"yyy", 1), "event_too_large", "")
    yield Case("32 KB and a space", fits + b" ", "event_too_large", "")
    full = GOOD + b" " * (MAX_BODY_BYTES - len(GOOD))
    yield Case("8 MiB of spaces after it", full, "event_too_large", "")
    yield Case("over 8 MiB", full + b" ", "!too_large")
    yield Case("a text of 10 MB", of(b'"x":"' + b"y" * 10_000_000 + b'"'), "!too_large")
    yield Case("a key of 1 MB", of(b'"' + b"k" * 2**20 + b'":1'), "event_too_large", "")
    keys = b",".join(b'"%d":%d' % (i, i) for i in range(100_000))
    yield Case("100000 keys", of(b'"properties":{%s}' % keys), "event_too_large", "")
    yield from _keys()


def _keys() -> Iterator[Case]:
    spare = MAX_KEYS - 4  # type, event, userId, properties
    for inner in ("{%s}", '{"a":[{%s}]}'):
        extra = inner.count(":")
        for count, expected in ((spare - extra, "ok"), (spare - extra + 1, "too_many_keys")):
            members = ",".join(f'"{i}":{i}' for i in range(count))
            event = of(('"properties":' + inner % members).encode())
            yield Case(f"{count + extra + 4} keys in {inner}", event, expected)
    for text in ("k", "é", '\\"'):
        member = '"properties":{"%s":1}'
        yield Case(f"a key of {MAX_KEY} {text}", of((member % (text * MAX_KEY)).encode()), "ok")
        event = of((member % (text * (MAX_KEY + 1))).encode())
        yield Case(f"a key of {MAX_KEY + 1} {text}", event, "key_too_long", "properties")
    colons = of(b'"properties":{"x":"' + b'\\":' * 5000 + b'"}')
    yield Case("5000 times what looks like a key, in a text", colons, "ok")


def _with(
    name: str, members: dict[str, object], expected: str = "ok", path: str | None = None
) -> Case:
    event = {"type": "track", "event": "x", "userId": "u", **members}
    return Case(name, msgspec.json.encode(event), expected, path)
