"""Every field of every type of event, with a value of every type of JSON."""

from collections.abc import Iterator

import msgspec
from services.ingest.tests.hostile.corpus.case import Case

VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "0": b"0",
    "1.5": b"1.5",
    "empty": b'""',
    "list": b"[]",
    "object": b"{}",
    "text": b'"text"',
}
KINDS: dict[str, dict[str, str]] = {
    "track": {"event": "x"},
    "identify": {},
    "page": {},
    "screen": {},
    "group": {"groupId": "g"},
    "alias": {"previousId": "p"},
}
REQUIRED = {("track", "event"), ("group", "groupId"), ("alias", "previousId")}
BLOCKABLE = {("group", "groupId"), ("alias", "previousId")}
TEXTS = ("messageId", "userId", "anonymousId", "event", "name", "groupId", "previousId")
NAMED = {"event": {"track"}, "name": {"page", "screen"}} | {
    "groupId": {"group"},
    "previousId": {"alias"},
}
TIMES = ("timestamp", "originalTimestamp")
OBJECTS = ("properties", "traits", "context")
FREE = ("sentAt", "receivedAt", "channel", "integrations", "version", "type", "writeKey", "_meta")
IN_CONTEXT = ("ip", "userAgent", "locale", "traits", "library", "page", "campaign", "device")


def cases() -> Iterator[Case]:
    """Track with a bad userId, identify with a bad userId, …: about a thousand."""
    for kind, needed in KINDS.items():
        base = {"userId": "u", "anonymousId": "a", **needed}
        for field in (*TEXTS, *TIMES, *OBJECTS, *FREE):
            for shown, value in VALUES.items():
                raw = {**{k: msgspec.json.encode(v) for k, v in base.items()}, field: value}
                expected = _expected(kind, field, shown)
                path = field if expected != "ok" else None
                yield Case(f"{kind} {field} {shown}", _object(raw), expected, path, kind)
        for field in IN_CONTEXT:
            for shown, value in VALUES.items():
                raw = {k: msgspec.json.encode(v) for k, v in base.items()}
                raw["context"] = _object({field: value})
                yield Case(f"{kind} context.{field} {shown}", _object(raw), "ok", None, kind)


def _object(members: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(b'"%s":%s' % (k.encode(), v) for k, v in members.items()) + b"}"


def _expected(kind: str, field: str, shown: str) -> str:
    """The rules of the README, a second time and by a table."""
    if field in TEXTS and kind in NAMED.get(field, KINDS):
        if shown in {"null", "empty"}:
            return "missing_field" if (kind, field) in REQUIRED else "ok"
        # Whole numbers are taken as ids; nought names nobody, but another id may be left.
        if shown == "0" and (kind, field) in BLOCKABLE:
            return "blocked_identifier"
        return "ok" if shown in {"0", "text"} else "invalid_type"
    if field in TIMES:
        return "ok" if shown in {"null", "empty", "0", "1.5"} else "invalid_timestamp"
    if field in OBJECTS:
        return "ok" if shown in {"null", "object", "list"} else "invalid_type"
    return "ok"
