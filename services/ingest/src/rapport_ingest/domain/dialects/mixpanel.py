"""Mixpanel's HTTP API: `/track`, `/engage`, `/groups` and `/import`, as its SDKs call it.

The JSON comes as it is, or in the field `data` of a form or a query, as text or in base64.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from rapport_common.errors import AppError
from rapport_common.events.envelope import EventType
from rapport_ingest.domain.dialects import Answer, Opened, Request
from rapport_ingest.domain.dialects.draft import Draft, Members, members, text_of, value_of
from rapport_ingest.domain.dialects.drafting import drafted, items_of
from rapport_ingest.domain.dialects.originals import content_id
from rapport_ingest.domain.dialects.unsubscribing import withdrawals
from rapport_ingest.domain.dialects.wire import base64_bytes, epoch_iso, joined_pairs
from rapport_ingest.domain.set_once import traits_said
from rapport_ingest.domain.source import SourcePolicy
from rapport_ingest.domain.verdict import Result

MAX_FIELDS = 50
DEVICE = "$device:"
"""What a `distinct_id` begins with while nobody has signed in."""

TRAITS = {
    "$email": "email",
    "$name": "name",
    "$first_name": "firstName",
    "$last_name": "lastName",
    "$phone": "phone",
    "$avatar": "avatar",
    "$created": "createdAt",
}
PLACES: dict[str, tuple[str, ...]] = {
    "$current_url": ("context", "page", "url"),
    "$referrer": ("context", "page", "referrer"),
    "$ip": ("context", "ip"),
    "ip": ("context", "ip"),
    "$user_agent": ("context", "userAgent"),
    "$os": ("context", "os", "name"),
    "utm_source": ("context", "campaign", "source"),
    "utm_medium": ("context", "campaign", "medium"),
    "utm_campaign": ("context", "campaign", "name"),
    "utm_term": ("context", "campaign", "term"),
    "utm_content": ("context", "campaign", "content"),
    "mp_lib": ("context", "library", "name"),
    "$lib_version": ("context", "library", "version"),
}
MACHINERY = frozenset(
    {*PLACES, "token", "distinct_id", "time", "$insert_id", "$user_id", "$device_id"}
)
COUNTING = ("$add", "$append", "$union", "$remove", "$delete")
"""Updates that depend on what is stored; a trait has a value, so these can't be kept."""

LINKS = frozenset({"$create_alias", "$merge", "$identify"})
PAGE = "$mp_web_page_view"

_encode = msgspec.json.Encoder().encode


class _Ok(msgspec.Struct, frozen=True, omit_defaults=True):
    status: int
    error: str | None
    code: int
    num_records_imported: int
    results: Sequence[Result]


class Mixpanel:
    """`/track` and `/import`: events; `profiles`: `/engage` and `/groups`, which set traits.

    Its SDKs want `1`, or with `verbose=1` an object whose `status` is 1.
    """

    name = "mixpanel"
    kind: EventType | None = None
    overload = 503
    too_large = 413
    browser = False

    def __init__(self, *, profiles: bool = False, strict: bool = False) -> None:
        self._profiles = profiles
        self._strict = strict

    def open(self, request: Request, policy: SourcePolicy | None) -> Opened:
        """One event or an array of them."""
        form = _form(request)
        items = items_of(_json(request, form))
        found = drafted(items, "$insert_id", _updates if self._profiles else _events)
        found.write_key = _token(items)
        found.device = form.get("ip") == "1" or None
        found.note = self._strict or form.get("verbose") == "1" or "data" not in form
        return found

    def answer(self, opened: Opened, results: Sequence[Result]) -> Answer:
        """Taken, whatever the verdicts: these are shown where the answer is an object."""
        if not opened.note:
            return Answer(b"1", content_type=b"text/plain")
        good = sum(one.code is None for one in results)
        return Answer(_encode(_Ok(1, None, 200, good, results)))


def _form(request: Request) -> dict[str, str]:
    """The fields of the query, and of the body where it is a form."""
    texts = [request.query.decode("latin-1")]
    if request.body.lstrip()[:1] not in {b"{", b"["}:
        texts.append(request.body.decode("utf-8", "replace"))
    try:
        return dict(one for text in texts for one in parse_qsl(text, max_num_fields=MAX_FIELDS))
    except ValueError as error:
        message = f"A form has {MAX_FIELDS} fields at most; the events are in `data`."
        raise AppError(message, code="bad_encoding") from error


def _json(request: Request, form: dict[str, str]) -> bytes:
    if request.body.lstrip()[:1] in {b"{", b"["}:
        return request.body
    data = form.get("data", "").strip()
    if data[:1] in {"{", "["}:
        return data.encode()
    found = base64_bytes(data.replace(" ", "+"))
    if not found:
        message = "The body is neither JSON nor a form whose field `data` is JSON or base64 of it."
        raise AppError(message, code="bad_encoding")
    return joined_pairs(found)


def _token(items: Sequence[msgspec.Raw]) -> str | None:
    first = (members(items[0]) if items else None) or {}
    inner = members(first.get("properties")) or {}
    return text_of(first, "$token") or text_of(inner, "token")


def _events(fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
    draft = Draft()
    inner = members(fields.get("properties"))
    if inner is None:
        draft.refuse("invalid_type", "properties", "properties must be an object.")
        inner = {}
    name = value_of(fields.get("event"))
    draft.message_id(value_of(inner.get("$insert_id")), "properties.$insert_id")
    _add_time(draft, inner.get("time"), "properties.time")
    for field, place in PLACES.items():
        draft.put(place, inner.get(field))
    if isinstance(name, str) and name in LINKS:
        _add_link(draft, name, inner)
        return [draft]
    _add_person(draft, inner)
    draft.fields["type"] = "page" if name == PAGE else "track"
    if name != PAGE:
        draft.name(name, "event")
    draft.put(("properties",), {k: v for k, v in inner.items() if k not in MACHINERY} or None)
    return [draft]


def _add_person(draft: Draft, inner: Members) -> None:
    """Who it was: the simplified ids where they are, else the one id there is."""
    user, device = value_of(inner.get("$user_id")), value_of(inner.get("$device_id"))
    distinct = value_of(inner.get("distinct_id"))
    if isinstance(distinct, str) and distinct.startswith(DEVICE):
        device = device or distinct.removeprefix(DEVICE)
    elif user is None and distinct != device:
        user = distinct
    draft.identifier("userId", user, "properties.distinct_id")
    draft.identifier("anonymousId", device, "properties.$device_id")


def _add_link(draft: Draft, name: str, inner: Members) -> None:
    """Two ids that are one person."""
    if name == "$identify":
        _add_identified(draft, inner)
        return
    draft.fields["type"] = "alias"

    former, user = value_of(inner.get("distinct_id")), value_of(inner.get("alias"))
    if name == "$merge":
        both = value_of(inner.get("$distinct_ids"))
        former, user = both if isinstance(both, list) and len(both) == 2 else (None, None)  # noqa: PLR2004 - a pair
    draft.identifier("previousId", former, "properties.distinct_id")
    draft.identifier("userId", user, "properties.alias")


def _add_identified(draft: Draft, inner: Members) -> None:
    """Who signed in at which device: its browser SDK calls the ids otherwise than its servers' API.

    A former id that is no device's was another person's at the same device, and stays that.
    """
    draft.fields["type"] = "identify"
    user, former = value_of(inner.get("$identified_id")), value_of(inner.get("$anon_id"))
    if user is None:
        user, before = value_of(inner.get("distinct_id")), value_of(inner.get("$anon_distinct_id"))
        of_device = isinstance(before, str) and before.startswith(DEVICE)
        former = before if of_device else value_of(inner.get("$device_id"))
    draft.identifier("userId", user, "properties.$identified_id")
    plain = former.removeprefix(DEVICE) if isinstance(former, str) else former
    draft.identifier("anonymousId", plain, "properties.$anon_id")


def _updates(fields: Members, raw: msgspec.Raw) -> Sequence[Draft]:
    draft = Draft()
    group = value_of(fields.get("$group_id"))
    once, traits = _named(fields.get("$set_once")), _named(fields.get("$set"))
    gone = value_of(fields.get("$unset"))
    for name in gone if isinstance(gone, list) else ():
        traits[TRAITS.get(str(name), str(name))] = None
    for operation in COUNTING:
        if operation in fields:
            reason = f"{operation} depends on what is stored; send the value itself with $set."
            draft.refuse("not_supported", operation, reason)
    draft.put(("context", "ip"), fields.get("$ip"))
    draft.fields["type"] = "identify" if group is None else "group"
    if group is not None:
        draft.identifier("groupId", group, "$group_id")
        # A group's own properties are nobody's: the event is the group's.
        draft.identifier("anonymousId", f"group-{group}", "$group_id")
    person = value_of(fields.get("$distinct_id"))
    if isinstance(person, str) and person.startswith(DEVICE):
        draft.identifier("anonymousId", person.removeprefix(DEVICE), "$distinct_id")
    else:
        draft.identifier("userId", person, "$distinct_id")
    if "$time" in fields:
        # Without a time the same update may be meant anew: then each has an id of its own.
        draft.message_id(content_id(bytes(raw)), "$time")
        _add_time(draft, fields.get("$time"), "$time")
    if group is not None:
        draft.put(("traits",), {**once, **traits} or None)
        return [draft]
    draft.put(("traits",), traits_said(once, traits) or None)
    return [draft, *withdrawals(draft, {**once, **traits}, "$unsubscribed")]


def _named(raw: msgspec.Raw | None) -> dict[str, Any]:
    """What an operation sets, under the names of Segment's spec."""
    return {TRAITS.get(name, name): value for name, value in (members(raw) or {}).items()}


def _add_time(draft: Draft, raw: msgspec.Raw | None, path: str) -> None:
    value = value_of(raw)
    if value is None or value == "":
        return
    found = value if isinstance(value, str) and not value.isdigit() else epoch_iso(value)
    if found is None:
        draft.refuse("invalid_timestamp", path, f"{path} is no time since 1970.")
    draft.put(("timestamp",), found)
