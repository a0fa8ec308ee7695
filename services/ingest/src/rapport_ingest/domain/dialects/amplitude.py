"""Amplitude's HTTP API v2 (`/2/httpapi`) and its batch API (`/batch`)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from typing_extensions import override

from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.draft import Draft, Members, members, text_of, value_of
from rapport_ingest.domain.dialects.drafting import batch_of, drafted
from rapport_ingest.domain.dialects.posthog import PostHog
from rapport_ingest.domain.dialects.wire import epoch_iso
from rapport_ingest.domain.set_once import traits_said
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

PLACES: dict[str, tuple[str, ...]] = {
    "ip": ("context", "ip"),
    "user_agent": ("context", "userAgent"),
    "language": ("context", "locale"),
    "app_version": ("context", "app", "version"),
    "platform": ("context", "device", "type"),
    "device_model": ("context", "device", "model"),
    "device_brand": ("context", "device", "manufacturer"),
    "os_name": ("context", "os", "name"),
    "os_version": ("context", "os", "version"),
    "library": ("context", "library", "name"),
    "country": ("context", "location", "country"),
    "city": ("context", "location", "city"),
}
MONEY = {
    "revenue": "revenue",
    "price": "price",
    "quantity": "quantity",
    "productId": "product_id",
    "currency": "currency",
}
"""Fields beside the properties that belong among them."""

GROUPS = "group_properties"
COUNTING = ("$add", "$append", "$prepend", "$preInsert", "$postInsert", "$remove", "$clearAll")
NO_CAMPAIGN = b'"EMPTY"'
WRONG_KEY = "Invalid API key: "
SERVERS_ADDRESS = "$remote"
VIEWS = {"[Amplitude] Page Viewed": "page", "[Amplitude] Screen Viewed": "screen"}

_encode = msgspec.json.Encoder().encode


class _Taken(msgspec.Struct, frozen=True):
    code: int
    events_ingested: int
    results: Sequence[Result]


class Amplitude:
    """`{api_key, events: […]}`. Its SDKs take any 200 whose `code` is 200 for success."""

    name = "amplitude"
    kind: EventType | None = None
    browser = False
    overload = 503
    too_large = 413

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events; what sets properties of the person beside one is an event of its own."""
        around, items = batch_of(request.body, "events")
        found = drafted(items, "insert_id", _drafts)
        found.write_key = text_of(around, "api_key")
        found.sent_at = value_of(around.get("client_upload_time"))
        # "$remote" asks to see the address of the request: only a person's own device does.
        found.device = b'"$remote"' in request.body or None
        return found

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """A verdict for each beside what Amplitude answers."""
        good = sum(one.code is None for one in results)
        return Answer(_encode(_Taken(200, good, results)))


class Batch(PostHog):
    """`/batch`, which PostHog and Amplitude share: the latter's body has `events`."""

    def __init__(self) -> None:
        super().__init__()
        # PostHog's SDKs for servers come back after either; Amplitude's give up soon after a 429.
        self.overload = Amplitude.overload
        self._amplitude = Amplitude()

    @override
    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """The events, by whose body it is."""
        body = request.body
        if body[:1] == b"{" and b'"events"' in body:
            found = members(body)
            if found is not None and "events" in found and "batch" not in found:
                return self._amplitude.open(request, policy)
        return super().open(request, policy)

    @override
    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """As the one whose events they were answers."""
        if isinstance(opened.note, list):
            return self._amplitude.answer(opened, results)
        return super().answer(opened, results)


def problem(status: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """An error `{code, message, details}` as Amplitude's SDKs read it.

    They take the status from `code` and the message from `error`, and stop sending what has a wrong
    key only if it begins as Amplitude's does. The error's own code is in `details`.
    """
    message = said["message"]
    if status == HTTPStatus.UNAUTHORIZED:
        message = WRONG_KEY + message
    details = {**said["details"], "code": said["code"]}
    return {**said, "code": status, "error": message, "details": details}


def _drafts(fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
    draft = Draft()
    name = value_of(fields.get("event_type"))
    draft.message_id(value_of(fields.get("insert_id")), "insert_id")
    _add_time(draft, fields)
    _add_person(draft, fields)
    for field, place in PLACES.items():
        if value_of(fields.get(field)) != SERVERS_ADDRESS:
            draft.put(place, fields.get(field))
    traits = _traits(draft, fields.get("user_properties"), "user_properties")
    if name == "$identify":
        draft.fields["type"] = "identify"
        draft.put(("traits",), traits or None)
        return [draft]
    if name == "$groupidentify":
        return _groups(draft, fields)
    kind = VIEWS.get(name, "track") if isinstance(name, str) else "track"
    draft.fields["type"] = kind
    if kind == "track":
        draft.name(name, "event_type")
    properties: dict[str, Any] = dict(members(fields.get("event_properties")) or {})
    for field, known in MONEY.items():
        if field in fields and value_of(fields[field]) is not None:
            properties.setdefault(known, fields[field])
    draft.put(("properties",), properties or None)
    return [draft, *_identified(draft, traits)]


def _identified(draft: Draft, traits: dict[str, Any]) -> Sequence[Draft]:
    """What an event says of its person besides, as an identify of its own."""
    if not traits or draft.problem is not None:
        return ()
    other = Draft()
    kept = ("userId", "anonymousId", "timestamp", "context")
    other.fields = {name: draft.fields[name] for name in kept if name in draft.fields}
    if message_id := draft.fields.get("messageId"):
        other.message_id(f"{message_id}#set", "insert_id")
    other.fields |= {"type": "identify", "traits": traits}
    return (other,)


def _groups(draft: Draft, fields: Members) -> Sequence[Draft]:
    found = value_of(fields.get("groups"))
    first = next(iter(found.items()), None) if isinstance(found, dict) else None
    group = first[1][0] if first and isinstance(first[1], list) and first[1] else first and first[1]
    draft.fields["type"] = "group"
    draft.identifier("groupId", group, "groups")
    traits = _traits(draft, fields.get(GROUPS), GROUPS)
    draft.put(("traits",), traits or None)
    return [draft]


def _traits(draft: Draft, raw: msgspec.Raw | None, path: str) -> dict[str, Any]:
    """The traits that operations or plain members set; `$unset` removes."""
    found = members(raw) or {}
    once, always = (
        {name: one for name, one in said.items() if not _is_unset(name, one)}
        for said in (members(found.get(operation)) or {} for operation in ("$setOnce", "$set"))
    )
    plain = {k: v for k, v in found.items() if not k.startswith("$")}
    traits = {**plain, **always, **dict.fromkeys(members(found.get("$unset")) or {})}
    for operation in COUNTING:
        if operation in found:
            reason = f"{operation} depends on what is stored; send the value itself with $set."
            draft.refuse("not_supported", f"{path}.{operation}", reason)
    return {**once, **traits} if path == GROUPS else traits_said(once, traits)


def _is_unset(name: str, raw: msgspec.Raw) -> bool:
    """Whether it is how the browser SDK says that there was no campaign or referrer at first."""
    return name.startswith("initial_") and bytes(raw) == NO_CAMPAIGN


def _add_person(draft: Draft, fields: Members) -> None:
    draft.identifier("userId", value_of(fields.get("user_id")), "user_id")
    draft.identifier("anonymousId", value_of(fields.get("device_id")), "device_id")


def _add_time(draft: Draft, fields: Members) -> None:
    value = value_of(fields.get("time"))
    if value is None or value == 0 or value == -1:  # noqa: PLR1714 - it may be a list
        return
    found = value if isinstance(value, str) and not value.isdigit() else epoch_iso(value)
    if found is None:
        draft.refuse("invalid_timestamp", "time", "time must be milliseconds since 1970.")
    draft.put(("timestamp",), found)
